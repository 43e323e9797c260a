//! The steps of a run. A run is determined by its seed, and a trace of actions replays it, or a part of it.

use std::fmt;

use crate::bus::StreamId;
use crate::command::Command;
use crate::executor::TaskId;
use crate::faults::Verdict;
use crate::network::CallId;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A client sends a command to an instance of a function.
    Start {
        task: TaskId,
        command: Command,
        instance: u32,
    },
    /// A publisher gets the next records of a stream.
    Publish {
        task: TaskId,
        stream: StreamId,
        count: usize,
    },
    /// The sync function gets messages of the queue.
    Consume {
        task: TaskId,
        messages: Vec<String>,
        instance: u32,
    },
    /// A request that waits is decided.
    Decide {
        call: CallId,
        verdict: Verdict,
    },
    Advance {
        ms: u64,
    },
    /// The process of a function ends.
    Kill {
        task: TaskId,
    },
    /// An operator moves the messages of the dead-letter queue back.
    Redrive,
}

impl Action {
    pub(crate) const fn task(&self) -> Option<TaskId> {
        match self {
            Self::Start { task, .. } | Self::Publish { task, .. } | Self::Consume { task, .. } => Some(*task),
            _ => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { task, command, instance } => {
                write!(f, "[{task}] {command}")?;
                if let Some(key) = command.key() {
                    write!(f, ", key {key}")?;
                }
                write!(f, " (instance {instance})")
            }
            Self::Publish { task, stream, count } => {
                write!(f, "[{task}] publishes {count} changes of {}, shard {}", stream.table, stream.shard)
            }
            Self::Consume { task, messages, .. } => write!(f, "[{task}] applies {}", messages.join(", ")),
            Self::Decide { call, verdict } => write!(f, "request {call}: {verdict}"),
            Self::Advance { ms } => write!(f, "{ms} ms pass"),
            Self::Kill { task } => write!(f, "[{task}] its process ends"),
            Self::Redrive => f.write_str("the dead-letter queue is redriven"),
        }
    }
}
