//! The table, and what a store needs beside it.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use kernel::{Clock, Random};

use super::intake::KnownShards;

/// `PaymentTable`, with the clock and the randomness that waiting for one's turn takes, and what it has learnt of accounts
/// that many pay at once.
#[derive(Clone)]
pub struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) clock: Arc<dyn Clock + Send + Sync>,
    pub(crate) random: Arc<dyn Random + Send + Sync>,
    pub(crate) known_shards: Arc<KnownShards>,
}

impl Table {
    /// The table of this name.
    pub fn new(
        client: Client,
        name: impl Into<String>,
        clock: impl Clock + Send + Sync + 'static,
        random: impl Random + Send + Sync + 'static,
    ) -> Self {
        let (clock, random) = (Arc::new(clock), Arc::new(random));
        Self { client, name: name.into(), clock, random, known_shards: Arc::default() }
    }
}
