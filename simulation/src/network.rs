//! The network between functions and services. A request waits until the world decides what becomes of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use testkit::Reply;
use tokio::sync::oneshot;

use crate::executor::{TaskId, current_task};

/// The operation by which a publisher sends events to a topic.
pub(crate) const PUBLISH: &str = "Publish";

/// A request of a task, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId {
    pub task: TaskId,
    pub number: u32,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.task, self.number)
    }
}

/// The response did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("connection closed")]
pub(crate) struct Lost;

/// A request that has not been executed.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) operation: String,
    pub(crate) body: String,
    pub(crate) sent_at_ms: u64,
    respond: oneshot::Sender<Result<Reply, Lost>>,
}

impl Call {
    /// Answers the request, unless the client has stopped waiting. Returns whether it was waiting.
    pub(crate) fn respond(self, outcome: Result<Reply, Lost>) -> bool {
        self.respond.send(outcome).is_ok()
    }

    pub(crate) fn is_awaited(&self) -> bool {
        !self.respond.is_closed()
    }
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<CallId, Call>,
    sent: BTreeMap<TaskId, u32>,
    now_ms: u64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Network(Arc<Mutex<State>>);

impl Network {
    /// A client of the SDK on this network.
    pub(crate) fn http_client(&self) -> SharedHttpClient {
        let network = self.clone();
        http_client_fn(move |_, _| SharedHttpConnector::new(network.clone()))
    }

    /// Sends a request and waits for what becomes of it.
    pub(crate) async fn request(&self, operation: &str, body: String) -> Result<Reply, Lost> {
        let (respond, response) = oneshot::channel();
        {
            let mut state = self.state();
            let task = current_task();
            let number = state.sent.entry(task).or_default();
            *number += 1;
            let id = CallId { task, number: *number };
            let call = Call { operation: operation.to_owned(), body, sent_at_ms: state.now_ms, respond };
            state.waiting.insert(id, call);
        }
        // A request that the world drops is never answered.
        match response.await {
            Ok(outcome) => outcome,
            Err(_) => std::future::pending().await,
        }
    }

    /// The requests that have not been executed, with their operations.
    pub(crate) fn waiting(&self) -> Vec<(CallId, String)> {
        self.state().waiting.iter().map(|(id, call)| (*id, call.operation.clone())).collect()
    }

    /// The requests that were sent at this time or before.
    pub(crate) fn waiting_since(&self, ms: u64) -> Vec<CallId> {
        self.state().waiting.iter().filter(|(_, call)| call.sent_at_ms <= ms).map(|(id, _)| *id).collect()
    }

    /// The requests whose clients have stopped waiting.
    pub(crate) fn abandoned(&self) -> Vec<CallId> {
        self.state().waiting.iter().filter(|(_, call)| !call.is_awaited()).map(|(id, _)| *id).collect()
    }

    pub(crate) fn take(&self, id: CallId) -> Option<Call> {
        self.state().waiting.remove(&id)
    }

    /// Sends a request on behalf of a task that does not wait for the response.
    pub(crate) fn send_unawaited(&self, task: TaskId, operation: &str, body: String) {
        let mut state = self.state();
        let number = state.sent.entry(task).or_default();
        *number += 1;
        let id = CallId { task, number: *number };
        let (respond, _) = oneshot::channel();
        let call = Call { operation: operation.to_owned(), body, sent_at_ms: state.now_ms, respond };
        state.waiting.insert(id, call);
    }

    pub(crate) fn set_time(&self, now_ms: u64) {
        self.state().now_ms = now_ms;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpConnector for Network {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let network = self.clone();
        HttpConnectorFuture::new(async move {
            let reply = network.request(&operation, body).await.map_err(|lost| ConnectorError::io(lost.into()))?;
            let status = StatusCode::try_from(reply.status).expect("a valid status");
            let mut response = HttpResponse::new(status, SdkBody::from(reply.body));
            response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
            Ok(response)
        })
    }
}
