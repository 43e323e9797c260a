//! Comparison with a golden file.

use std::path::PathBuf;

use serde_json::Value;

const UPDATE: &str = "UPDATE_GOLDEN";

/// Asserts that the value equals the golden file of this name.
pub(crate) fn assert_golden(name: &str, actual: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    let text = serde_json::to_string_pretty(actual).unwrap() + "\n";
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let difference = golden.lines().zip(text.lines()).position(|(one, other)| one != other);
    let difference = difference.or((golden != text).then(|| golden.lines().count().min(text.lines().count())));
    if let Some(line) = difference {
        let excerpt = |text: &str| text.lines().skip(line.saturating_sub(8)).take(16).collect::<Vec<_>>().join("\n");
        panic!(
            "{} differs in line {}.\n--- golden\n{}\n--- actual\n{}",
            path.display(),
            line + 1,
            excerpt(&golden),
            excerpt(&text)
        );
    }
}
