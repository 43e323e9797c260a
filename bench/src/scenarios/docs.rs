//! The endpoints without a database.

use super::{Recorder, Row, fails_with, returns};
use crate::meter::Meter;
use crate::requests::{empty, request, with_path_parameter};

pub(super) async fn run() -> Vec<Row> {
    let mut recorder = Recorder::new(Meter::default());
    recorder.add("GET /health", "success", returns(200), async { docs::health::respond() }).await;
    let file = |name: &str| with_path_parameter(empty(), "file", name);
    for (endpoint, name) in
        [("GET /openapi.json", "openapi.json"), ("GET /docs", "docs.html"), ("GET /docs/{file}", "docs.js")]
    {
        let request = file(name);
        recorder.add(endpoint, "success", returns(200), async { docs::files::respond(&request) }).await;
    }
    let program = empty();
    recorder.add("GET /", "success", returns(200), async { docs::respond(&program) }).await;
    let browser = request(None, &[("accept", "text/html")]);
    recorder.add("GET /", "success, browser", returns(302), async { docs::respond(&browser) }).await;
    let missing_file = file("nothing.txt");
    let missing = fails_with(404, "file_not_found");
    recorder.add("GET /docs/{file}", "failure", missing, async { docs::files::respond(&missing_file) }).await;
    recorder.rows
}
