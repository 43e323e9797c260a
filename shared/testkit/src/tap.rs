//! A tap on the connection to DynamoDB.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

#[derive(Debug, Clone, Default)]
pub(crate) struct Tap(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    log: Vec<String>,
    instead: Option<Instead>,
}

#[derive(Debug)]
struct Instead {
    operation: &'static str,
    times: usize,
    status: u16,
    body: String,
}

impl Tap {
    pub(crate) fn around(self, client: SharedHttpClient) -> SharedHttpClient {
        http_client_fn(move |settings, components| {
            let inner = client.http_connector(settings, components);
            SharedHttpConnector::new(Tapped { tap: self.clone(), inner })
        })
    }

    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    pub(crate) fn answer_instead(&self, operation: &'static str, times: usize, status: u16, body: &str) {
        self.state().instead = Some(Instead { operation, times, status, body: body.to_owned() });
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see(&self, request: &HttpRequest) -> Option<HttpResponse> {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let mut state = self.state();
        state.log.push(operation.clone());
        let instead = state.instead.as_mut().filter(|instead| instead.operation == operation && instead.times > 0)?;
        instead.times -= 1;
        let status = StatusCode::try_from(instead.status).expect("a status");
        let mut response = HttpResponse::new(status, SdkBody::from(instead.body.as_str()));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        Some(response)
    }
}

#[derive(Debug)]
struct Tapped {
    tap: Tap,
    inner: SharedHttpConnector,
}

impl HttpConnector for Tapped {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.tap.see(&request) {
            Some(response) => HttpConnectorFuture::ready(Ok(response)),
            None => self.inner.call(request),
        }
    }
}
