//! Stepwise execution of concurrent clients: a test chooses whose request is sent next, and so runs every interleaving.

use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use tokio::sync::{mpsc, oneshot};

/// A request that waits for its step.
#[derive(Debug)]
struct Waiting {
    go: oneshot::Sender<()>,
    sent: oneshot::Receiver<()>,
}

/// Steps through the requests of one client.
#[derive(Debug)]
pub struct Gate(mpsc::UnboundedReceiver<Waiting>);

impl Gate {
    /// Returns the same client, whose requests each wait for a step.
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

    /// Sends the next request and waits for its response. Returns `false` when there can be no more: the client was dropped.
    pub async fn let_one_through(&mut self) -> bool {
        let Some(Waiting { go, sent }) = self.0.recv().await else { return false };
        go.send(()).expect("a request that still waits");
        sent.await.expect("an acknowledgement");
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
        let (ack, sent) = oneshot::channel();
        let (arrive, inner) = (self.arrive.clone(), self.inner.clone());
        HttpConnectorFuture::new(async move {
            // Without a scheduler every request is sent immediately.
            if arrive.send(Waiting { go, sent }).is_ok() {
                may_go.await.ok();
            }
            let response = inner.call(request).await;
            ack.send(()).ok();
            response
        })
    }
}
