//! Instructions of a program, counted by valgrind: the same number on a busy machine as on a quiet one. (A virtual
//! machine usually has no counter that `perf` could read.)

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use super::lambda::{Function, Variables};

/// Whether valgrind is installed.
pub async fn can_be_counted() -> bool {
    Command::new("valgrind").arg("--version").output().await.is_ok_and(|output| output.status.success())
}

/// Counts from the start to the first poll, or to the response to the last of the events. `None` without valgrind.
pub async fn count<'a>(
    program: &Path,
    variables: &Variables,
    events: impl IntoIterator<Item = &'a Value>,
) -> Option<u64> {
    if !can_be_counted().await {
        return None;
    }
    let log = std::env::temp_dir().join(format!("bench-{}.log", uuid::Uuid::new_v4()));
    let wrapper = [
        "valgrind".to_owned(),
        "--tool=callgrind".to_owned(),
        "--callgrind-out-file=/dev/null".to_owned(),
        format!("--log-file={}", log.display()),
    ];
    let mut variables = variables.clone();
    variables.insert("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned());
    let mut function = Function::start(program, &variables, &wrapper).await;
    function.first_poll().await;
    for event in events {
        function.invoke(event).await.expect("a response");
    }
    function.terminate().await;
    let text = std::fs::read_to_string(&log).expect("the log of valgrind");
    std::fs::remove_file(&log).expect("the log of valgrind");
    let collected = text.lines().find_map(|line| line.split_once("Collected : "));
    let count = collected.and_then(|(_, count)| count.trim().parse().ok());
    Some(count.unwrap_or_else(|| panic!("valgrind printed:\n{text}")))
}
