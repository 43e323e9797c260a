// A loop of the Runtime API, instead of the native client in Lambda's managed runtime.

import { Agent, request } from 'node:http';
import { handler } from './handler';

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API!.split(':');
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

const call = (method: string, path: string, body?: string) =>
  new Promise<{ id: string; deadline: number; body: string }>((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const options = { host, port, agent, method, headers, path: `/2018-06-01/runtime/invocation/${path}` };
    const sent = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part) => (text += part));
      response.on('end', () => {
        const id = String(response.headers['lambda-runtime-aws-request-id']);
        resolve({ id, deadline: Number(response.headers['lambda-runtime-deadline-ms']), body: text });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });

const run = async () => {
  for (;;) {
    const { id, deadline, body } = await call('GET', 'next');
    const context = { awsRequestId: id, getRemainingTimeInMillis: () => deadline - Date.now() };
    try {
      await call('POST', `${id}/response`, JSON.stringify(await handler(JSON.parse(body), context)));
    } catch (error) {
      await call('POST', `${id}/error`, String(error));
    }
  }
};

run();
