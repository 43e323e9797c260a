//! Replays the corpora and all findings through their targets.

#![expect(clippy::unwrap_used, reason = "a panic fails the test and names the input")]

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use platform_tests::functions::{ACCOUNT_ROUTES, PAYMENT_ROUTES};

/// The inputs of a target, in the order of their names.
fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}

fn replay(target: &str) {
    let (_, run) = fuzz::TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let corpus = inputs("corpus", target);
    assert!(!corpus.is_empty(), "no corpus of {target}");
    for path in corpus.into_iter().chain(inputs("findings", target)) {
        let data = std::fs::read(&path).unwrap();
        assert!(catch_unwind(|| run(&data)).is_ok(), "{}", path.display());
    }
}

macro_rules! replay {
    ($($test:ident => $target:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            replay($target);
        })*

        #[test]
        fn every_target_is_replayed() {
            assert_eq!(fuzz::TARGETS.map(|(name, _)| name), [$($target),*]);
        }
    };
}

replay! {
    corpus_of_event_passes => "event",
    corpus_of_headers_passes => "headers",
    corpus_of_messages_passes => "messages",
    corpus_of_parsers_passes => "parsers",
    corpus_of_request_passes => "request",
    corpus_of_stream_passes => "stream",
    corpus_of_webhook_passes => "webhook",
}

/// Another route is answered by the wrong endpoint.
#[test]
fn every_endpoint_is_fuzzed() {
    // They read nothing of the request, or too little.
    let left_out = ["GET /.well-known/jwks.json", "GET /health", "GET /openapi.json"];
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    for sample in std::fs::read_dir(samples).unwrap() {
        let sample = std::fs::read(sample.unwrap().path()).unwrap();
        let sample: serde_json::Value = serde_json::from_slice(&sample).unwrap();
        let Some(route) = sample["routeKey"].as_str() else { continue };
        let is_known = ACCOUNT_ROUTES.contains(&route) || PAYMENT_ROUTES.contains(&route);
        assert!(is_known || left_out.contains(&route), "{route}");
    }
}
