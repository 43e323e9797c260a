//! The table, and what a store needs beside it.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use kernel::{Clock, Random};

/// `PaymentTable`, with the clock and the randomness that waiting for one's turn takes.
#[derive(Clone)]
pub struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) clock: Arc<dyn Clock + Send + Sync>,
    pub(crate) random: Arc<dyn Random + Send + Sync>,
}

impl Table {
    /// The table of this name.
    pub fn new(
        client: Client,
        name: impl Into<String>,
        clock: impl Clock + Send + Sync + 'static,
        random: impl Random + Send + Sync + 'static,
    ) -> Self {
        Self { client, name: name.into(), clock: Arc::new(clock), random: Arc::new(random) }
    }
}
