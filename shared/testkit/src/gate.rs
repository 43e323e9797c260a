//! A gate before the engine: a test decides whose request goes through next, and so tries every order there is.

use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use tokio::sync::{mpsc, oneshot};

/// What stands at the gate.
#[derive(Debug)]
struct Waiting {
    go: oneshot::Sender<()>,
    answered: oneshot::Receiver<()>,
}

/// A gate before the engine, for one of several who use it at once.
#[derive(Debug)]
pub struct Gate(mpsc::UnboundedReceiver<Waiting>);

impl Gate {
    /// The same client, whose requests each wait at the gate.
    pub(crate) fn before(client: &Client) -> (Client, Self) {
        let (arrive, arrivals) = mpsc::unbounded_channel();
        let inner = client.config().http_client().expect("a client").clone();
        let gated = http_client_fn(move |settings, components| {
            let inner = inner.http_connector(settings, components);
            SharedHttpConnector::new(Gated { arrive: arrive.clone(), inner })
        });
        let config = client.config().to_builder().http_client(gated).build();
        (Client::from_conf(config), Self(arrivals))
    }

    /// Lets the next request through and waits until it is answered. False when no more can come: the client is gone.
    pub async fn let_one_through(&mut self) -> bool {
        let Some(Waiting { go, answered }) = self.0.recv().await else { return false };
        go.send(()).expect("a request that still waits");
        answered.await.expect("an answer");
        true
    }
}

#[derive(Debug)]
struct Gated {
    arrive: mpsc::UnboundedSender<Waiting>,
    inner: SharedHttpConnector,
}

impl HttpConnector for Gated {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (go, may_go) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let (arrive, inner) = (self.arrive.clone(), self.inner.clone());
        HttpConnectorFuture::new(async move {
            // Whoever no longer asks at the gate lets everything through.
            if arrive.send(Waiting { go, answered }).is_ok() {
                may_go.await.ok();
            }
            let response = inner.call(request).await;
            answer.send(()).ok();
            response
        })
    }
}
