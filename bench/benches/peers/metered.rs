//! A proxy of DynamoDB that meters the requests of a function in another process.

use std::convert::Infallible;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bench::meter::Meter;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Starts the proxy. Returns its URL.
pub(crate) async fn start(upstream: &str, meter: &Meter) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("the port"));
    let direct = Direct { upstream: upstream.trim_start_matches("http://").to_owned() };
    let connector = meter.on_connector(SharedHttpConnector::new(direct));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connector = connector.clone();
            let service = service_fn(move |request| {
                let connector = connector.clone();
                async move { Ok::<_, Infallible>(forward(&connector, request).await) }
            });
            // A function that is stopped drops its connection.
            tokio::spawn(async move {
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok()
            });
        }
    });
    url
}

async fn forward(connector: &SharedHttpConnector, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.expect("a whole request").to_bytes();
    // An origin server expects a path, not a URL.
    head.uri = "/".parse().expect("a path");
    let request = HttpRequest::try_from(Request::from_parts(head, SdkBody::from(body))).expect("a request");
    let response = connector.call(request).await.expect("the server behind");
    let mut answer = Response::builder().status(response.status().as_u16());
    for name in ["content-type", "x-amz-crc32", "x-amzn-requestid"] {
        if let Some(value) = response.headers().get(name) {
            answer = answer.header(name, value);
        }
    }
    let body = response.body().bytes().expect("a body in memory");
    answer.body(Full::new(Bytes::copy_from_slice(body))).expect("a response")
}

/// One connection to the server per request.
#[derive(Debug, Clone)]
struct Direct {
    upstream: String,
}

impl HttpConnector for Direct {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let direct = self.clone();
        HttpConnectorFuture::new(async move { direct.send(request).await.map_err(ConnectorError::io) })
    }
}

type Error = Box<dyn std::error::Error + Send + Sync>;

impl Direct {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let stream = TcpStream::connect(&self.upstream).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = request.try_into_http1x()?;
        let request = request.map(|body| Full::new(Bytes::copy_from_slice(body.bytes().unwrap_or_default())));
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(HttpResponse::try_from(Response::from_parts(head, SdkBody::from(body)))?)
    }
}
