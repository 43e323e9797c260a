//! An HTTP client for the engine that records requests, stubs responses and runs hooks between requests.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

/// Work that runs before a request is sent.
pub(crate) type Hook = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Clone, Default)]
pub(crate) struct RequestRecorder(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    log: Vec<String>,
    stub: Option<Stub>,
    /// The operation whose next request is executed, and whose response is lost.
    loses_response: Option<&'static str>,
    hooks: VecDeque<(&'static str, Hook)>,
    is_suspended: bool,
    /// Whether a hook is running, whose requests are neither recorded nor stubbed.
    in_hook: bool,
}

struct Stub {
    operation: &'static str,
    times: usize,
    status: u16,
    body: String,
}

impl std::fmt::Debug for RequestRecorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestRecorder").finish_non_exhaustive()
    }
}

impl RequestRecorder {
    pub(crate) fn wrap(self, client: SharedHttpClient) -> SharedHttpClient {
        http_client_fn(move |settings, components| {
            let inner = client.http_connector(settings, components);
            SharedHttpConnector::new(RecordingConnector { recorder: self.clone(), inner })
        })
    }

    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    pub(crate) fn stub_response(&self, operation: &'static str, times: usize, status: u16, body: &str) {
        self.state().stub = Some(Stub { operation, times, status, body: body.to_owned() });
    }

    pub(crate) fn lose_response(&self, operation: &'static str) {
        self.state().loses_response = Some(operation);
    }

    pub(crate) fn before_next(&self, operation: &'static str, hook: Hook) {
        self.state().hooks.push_back((operation, hook));
    }

    pub(crate) fn suspend(&self) {
        self.state().is_suspended = true;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, request: &HttpRequest) -> Action {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let mut state = self.state();
        if state.in_hook {
            return Action::Forward;
        }
        state.log.push(operation.clone());
        if state.is_suspended {
            return Action::Suspend;
        }
        if state.loses_response.take_if(|lost| *lost == operation).is_some() {
            return Action::LoseResponse;
        }
        if let Some(stub) = state.stub.as_mut().filter(|stub| stub.operation == operation && stub.times > 0) {
            stub.times -= 1;
            let status = StatusCode::try_from(stub.status).expect("a valid status");
            let mut response = HttpResponse::new(status, SdkBody::from(stub.body.as_str()));
            response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
            return Action::Respond(Box::new(response));
        }
        let position = state.hooks.iter().position(|(hooked, _)| *hooked == operation);
        match position.and_then(|position| state.hooks.remove(position)) {
            Some((_, hook)) => {
                state.in_hook = true;
                Action::RunHook(hook)
            }
            None => Action::Forward,
        }
    }
}

enum Action {
    Forward,
    LoseResponse,
    Respond(Box<HttpResponse>),
    RunHook(Hook),
    Suspend,
}

#[derive(Debug)]
struct RecordingConnector {
    recorder: RequestRecorder,
    inner: SharedHttpConnector,
}

impl HttpConnector for RecordingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.recorder.record(&request) {
            Action::Forward => self.inner.call(request),
            Action::LoseResponse => {
                let inner = self.inner.clone();
                HttpConnectorFuture::new(async move {
                    inner.call(request).await?;
                    Err(ConnectorError::io("the response was lost".into()))
                })
            }
            Action::Respond(response) => HttpConnectorFuture::ready(Ok(*response)),
            Action::Suspend => HttpConnectorFuture::new(std::future::pending()),
            Action::RunHook(hook) => {
                let (recorder, inner) = (self.recorder.clone(), self.inner.clone());
                HttpConnectorFuture::new(async move {
                    hook.await;
                    recorder.state().in_hook = false;
                    inner.call(request).await
                })
            }
        }
    }
}
