//! DynamoDB on the loopback address: `dynoxided PORT [FILE]`. Without a file the tables are in memory.

use std::env;
use std::error::Error;
use std::time::Duration;

use dynoxide::{Database, server};

/// Expired items are deleted within this time. In AWS it may take days.
const TTL_SWEEP_INTERVAL: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let port = arguments.next().ok_or("usage: dynoxided PORT [FILE]")?.parse()?;
    let database = match arguments.next() {
        Some(file) => Database::new(&file)?,
        None => Database::memory()?,
    };
    tokio::select! {
        served = server::start("127.0.0.1", port, database.clone()) => served?,
        swept = sweep_expired_items(database) => swept?,
    }
    Ok(())
}

/// Returns only if a sweep fails.
async fn sweep_expired_items(database: Database) -> Result<(), Box<dyn Error>> {
    loop {
        tokio::time::sleep(TTL_SWEEP_INTERVAL).await;
        let database = database.clone();
        tokio::task::spawn_blocking(move || database.sweep_ttl()).await??;
    }
}
