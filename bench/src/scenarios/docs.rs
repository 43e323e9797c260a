//! The endpoints that say what the platform is. None of them asks the database anything.

use super::{Log, Row, answers, at, empty, refuses};
use crate::meter::Meter;

pub(super) async fn play() -> Vec<Row> {
    let mut log = Log::new(Meter::default());
    log.add("GET /health", "success", answers(200), async { docs::health::respond() }).await;
    let file = |name: &str| at(empty(), "file", name);
    for (endpoint, name) in
        [("GET /openapi.json", "openapi.json"), ("GET /docs", "docs.html"), ("GET /docs/{file}", "docs.js")]
    {
        let request = file(name);
        log.add(endpoint, "success", answers(200), async { docs::files::respond(&request) }).await;
    }
    let nothing = file("nothing.txt");
    let missing = refuses(404, "file_not_found");
    log.add("GET /docs/{file}", "refusal", missing, async { docs::files::respond(&nothing) }).await;
    log.rows
}
