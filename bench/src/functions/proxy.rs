//! A proxy of DynamoDB for measurements: TLS, cached responses, or transaction conflicts as AWS raises them.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex as AsyncMutex;
use tokio_rustls::TlsAcceptor;

#[derive(Debug, Clone, Copy)]
pub enum Mode {
    /// Repeated requests get the first response at once, so that only the function is measured.
    Cache,
    /// A transaction takes this long. Others on one of its items are rejected meanwhile
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling>).
    SimulateConflicts(Duration),
}

/// A proxy of DynamoDB.
pub struct DynamoProxy {
    pub url: String,
    state: Arc<State>,
}

type FullResponse = Response<Full<Bytes>>;

struct State {
    upstream: String,
    mode: Mode,
    remembered: Mutex<HashMap<(String, Bytes), FullResponse>>,
    held: Mutex<HashSet<String>>,
    conflicts: AtomicU64,
}

impl DynamoProxy {
    /// Starts a proxy of the server at this URL, with TLS if there is an acceptor.
    pub async fn start(upstream: &str, mode: Mode, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("the port").port();
        let url = if tls.is_some() { format!("https://localhost:{port}") } else { format!("http://127.0.0.1:{port}") };
        let state = Arc::new(State {
            upstream: upstream.trim_start_matches("http://").to_owned(),
            mode,
            remembered: Mutex::default(),
            held: Mutex::default(),
            conflicts: AtomicU64::new(0),
        });
        tokio::spawn(accept(listener, state.clone(), tls));
        Self { url, state }
    }

    /// The number of rejected transactions.
    pub fn conflicts(&self) -> u64 {
        self.state.conflicts.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, tls: Option<TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).expect("a socket");
        let (state, tls) = (state.clone(), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(stream, state).await,
                // A client that does not trust the certificate disconnects.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, state).await;
                    }
                }
            }
        });
    }
}

/// A connection to the proxied server, opened on first use.
type Upstream = AsyncMutex<Option<SendRequest<Full<Bytes>>>>;

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<State>) {
    let upstream = Arc::new(Upstream::default());
    let service = service_fn(move |request| {
        let (state, upstream) = (state.clone(), upstream.clone());
        async move { Ok::<_, Infallible>(state.response(&upstream, request).await) }
    });
    // A function that is stopped drops its connection.
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

impl State {
    async fn response(&self, upstream: &Upstream, request: Request<Incoming>) -> FullResponse {
        let (mut head, body) = request.into_parts();
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        let target =
            head.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default().to_owned();
        if target == "secretsmanager.GetSecretValue" {
            return json_response(StatusCode::OK, &json!({"SecretString": json!({"current": SECRET}).to_string()}));
        }
        // An origin server expects a path, not a URL.
        head.uri = "/".parse().expect("a path");
        let request = Request::from_parts(head, Full::new(body.clone()));
        match self.mode {
            Mode::Cache => {
                let question = (target, body);
                let known = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(&question).cloned();
                if let Some(known) = known {
                    return known;
                }
                let response = self.forward(upstream, request).await;
                self.remembered.lock().unwrap_or_else(PoisonError::into_inner).insert(question, response.clone());
                response
            }
            Mode::SimulateConflicts(time) if target.ends_with("TransactWriteItems") => {
                let keys = keys(&serde_json::from_slice(&body).expect("a request in JSON"));
                if let Some(refusal) = self.hold(&keys) {
                    return refusal;
                }
                let _held = Held { state: self, keys };
                let until = tokio::time::sleep(time);
                let response = self.forward(upstream, request).await;
                until.await;
                response
            }
            Mode::SimulateConflicts(_) => self.forward(upstream, request).await,
        }
    }

    async fn forward(&self, upstream: &Upstream, request: Request<Full<Bytes>>) -> FullResponse {
        let mut upstream = upstream.lock().await;
        if upstream.is_none() {
            let stream = TcpStream::connect(&self.upstream).await.expect("the server behind");
            stream.set_nodelay(true).expect("a socket");
            let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
            let (sender, connection) = handshake.expect("the server behind");
            tokio::spawn(connection);
            *upstream = Some(sender);
        }
        let sender = upstream.as_mut().expect("just connected");
        let response = sender.send_request(request).await.expect("the server behind");
        let (head, body) = response.into_parts();
        Response::from_parts(head, Full::new(body.collect().await.expect("the server behind").to_bytes()))
    }

    /// Locks the items, or returns a rejection because one of them is locked.
    fn hold(&self, keys: &[String]) -> Option<FullResponse> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.iter().any(|key| held.contains(key)) {
            self.conflicts.fetch_add(1, Ordering::Relaxed);
            let codes: Vec<_> =
                keys.iter().map(|key| if held.contains(key) { "TransactionConflict" } else { "None" }).collect();
            let message = format!(
                "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
                codes.join(", ")
            );
            let reasons: Vec<_> = codes.iter().map(|code| json!({"Code": code})).collect();
            let refusal = json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                "Message": message,
                "CancellationReasons": reasons,
            });
            return Some(json_response(StatusCode::BAD_REQUEST, &refusal));
        }
        held.extend(keys.iter().cloned());
        None
    }
}

/// Locks of a transaction, released on drop.
struct Held<'a> {
    state: &'a State,
    keys: Vec<String>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut all = self.state.held.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            all.remove(key);
        }
    }
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The keys of a transaction's items. All tables have the same key attributes.
fn keys(transaction: &Value) -> Vec<String> {
    let parts = transaction["TransactItems"].as_array().into_iter().flatten();
    let parts = parts.filter_map(|part| part.as_object().and_then(|part| part.values().next()));
    parts
        .map(|part| {
            let key = if part["Key"].is_null() { &part["Item"] } else { &part["Key"] };
            format!("{} {} {}", part["TableName"], key["pk"], key["sk"])
        })
        .collect()
}

fn json_response(status: StatusCode, body: &Value) -> FullResponse {
    let response = Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
    response.body(Full::new(Bytes::from(body.to_string()))).expect("a response")
}
