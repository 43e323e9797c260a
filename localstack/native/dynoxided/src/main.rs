//! DynamoDB on the loopback address, with tables in memory: `dynoxided PORT`.

use std::env;
use std::error::Error;
use std::os::unix::process::parent_id;
use std::time::Duration;

use dynoxide::{Database, server};

/// Expired items are deleted within this time. In AWS it may take days.
const TTL_SWEEP_INTERVAL: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::args().nth(1).ok_or("usage: dynoxided PORT")?.parse()?;
    let database = Database::memory()?;
    tokio::select! {
        served = server::start("127.0.0.1", port, database.clone()) => served?,
        swept = sweep_expired_items(database) => swept?,
    }
    Ok(())
}

/// Returns if a sweep fails, or if the parent process has ended without stopping this one.
async fn sweep_expired_items(database: Database) -> Result<(), Box<dyn Error>> {
    let parent = parent_id();
    while parent_id() == parent {
        tokio::time::sleep(TTL_SWEEP_INTERVAL).await;
        let database = database.clone();
        tokio::task::spawn_blocking(move || database.sweep_ttl()).await??;
    }
    Ok(())
}
