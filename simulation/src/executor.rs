//! Runs tasks one at a time, in an order that follows from the seed alone.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use kernel::testing::SeededRandom;

use crate::random::with_random;

/// The number of an invocation of a function. Traces refer to it.
pub(crate) type TaskId = u32;

thread_local! {
    static CURRENT: Cell<Option<TaskId>> = const { Cell::new(None) };
}

/// The task that runs.
pub(crate) fn current_task() -> TaskId {
    CURRENT.get().expect("requests are sent by tasks")
}

type Ready = Arc<Mutex<VecDeque<TaskId>>>;

struct TaskWaker {
    id: TaskId,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.id);
    }
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    random: Rc<SeededRandom>,
}

#[derive(Default)]
pub(crate) struct Executor {
    tasks: BTreeMap<TaskId, Task>,
    ready: Ready,
}

impl Executor {
    pub(crate) fn spawn(&mut self, id: TaskId, random: SeededRandom, future: impl Future<Output = ()> + 'static) {
        self.tasks.insert(id, Task { future: Box::pin(future), random: Rc::new(random) });
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push_back(id);
    }

    /// Runs until every task waits for a response or for time to pass. Returns the tasks that ended.
    pub(crate) fn run_until_stalled(&mut self) -> Vec<TaskId> {
        let mut ended = Vec::new();
        loop {
            let next = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(id) = next else { return ended };
            let Some(task) = self.tasks.get_mut(&id) else { continue };
            let waker = Waker::from(Arc::new(TaskWaker { id, ready: self.ready.clone() }));
            CURRENT.set(Some(id));
            let random = task.random.clone();
            let polled = with_random(&random, || task.future.as_mut().poll(&mut Context::from_waker(&waker)));
            CURRENT.set(None);
            if matches!(polled, Poll::Ready(())) {
                self.tasks.remove(&id);
                ended.push(id);
            }
        }
    }

    /// Ends a task where it waits, as the end of a function's process does.
    pub(crate) fn kill(&mut self, id: TaskId) -> bool {
        self.tasks.remove(&id).is_some()
    }

    pub(crate) fn running(&self) -> Vec<TaskId> {
        self.tasks.keys().copied().collect()
    }
}
