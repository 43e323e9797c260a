// A transfer with Powertools for AWS Lambda, as its guides write a function.

import { randomUUID } from 'node:crypto';
import { IdempotencyConfig, makeIdempotent } from '@aws-lambda-powertools/idempotency';
import { DynamoDBPersistenceLayer } from '@aws-lambda-powertools/idempotency/dynamodb';
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, TransactWriteCommand } from '@aws-sdk/lib-dynamodb';
import { importJWK, jwtVerify } from 'jose';

const { LEDGER_TABLE, IDEMPOTENCY_TABLE, TOKEN_ISSUER, TOKEN_AUDIENCE, TOKEN_TYPE, TOKEN_KEY } = process.env;

const logger = new Logger();
const metrics = new Metrics();
const client = new DynamoDBClient({});
const documents = DynamoDBDocumentClient.from(client);
const key = importJWK({ kty: 'OKP', crv: 'Ed25519', x: TOKEN_KEY }, 'EdDSA');
const config = new IdempotencyConfig({
  eventKeyJmesPath: '[owner, key]',
  payloadValidationJmesPath: 'body',
  throwOnNoIdempotencyKey: true,
});

type Request = { owner: string; key: string; body: string };

const send = makeIdempotent(
  async ({ owner, body }: Request) => {
    const { fromPaymentAccountId: from, toPaymentAccountId: to, amount, note } = JSON.parse(body);
    if (!Number.isSafeInteger(amount) || amount <= 0 || from === to) throw new Error('invalid transfer');
    const transfer = { id: randomUUID(), from, to, amount, note, createdAt: new Date().toISOString() };
    const account = (id: string) => ({ TableName: LEDGER_TABLE, Key: { pk: `ACCOUNT#${id}` } });
    await documents.send(
      new TransactWriteCommand({
        TransactItems: [
          {
            Put: {
              TableName: LEDGER_TABLE,
              Item: { pk: `TRANSFER#${transfer.id}`, ...transfer },
              ConditionExpression: 'attribute_not_exists(pk)',
            },
          },
          {
            Update: {
              ...account(from),
              UpdateExpression: 'SET balance = balance - :amount',
              ConditionExpression: '#owner = :owner AND balance >= :amount',
              ExpressionAttributeNames: { '#owner': 'owner' },
              ExpressionAttributeValues: { ':amount': amount, ':owner': owner },
            },
          },
          {
            Update: {
              ...account(to),
              UpdateExpression: 'SET balance = balance + :amount',
              ConditionExpression: 'attribute_exists(pk)',
              ExpressionAttributeValues: { ':amount': amount },
            },
          },
        ],
      }),
    );
    return transfer;
  },
  { persistenceStore: new DynamoDBPersistenceLayer({ tableName: IDEMPOTENCY_TABLE!, awsSdkV3Client: client }), config },
);

export const handler = async (event: any, context: any) => {
  config.registerLambdaContext(context);
  const token = event.headers.authorization?.replace(/^Bearer /, '') ?? '';
  const { payload } = await jwtVerify(token, await key, {
    algorithms: ['EdDSA'],
    issuer: TOKEN_ISSUER,
    audience: TOKEN_AUDIENCE,
    typ: TOKEN_TYPE,
  });
  const transfer = await send({ owner: payload.sub!, key: event.headers['idempotency-key'], body: event.body });
  metrics.addMetric('Transfers', MetricUnit.Count, 1);
  metrics.publishStoredMetrics();
  logger.info('sent', { route: event.routeKey, transfer: transfer.id });
  return { statusCode: 201, headers: { 'content-type': 'application/json' }, body: JSON.stringify(transfer) };
};
