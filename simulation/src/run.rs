//! Runs, replays and the search for the shortest trace that shows a violation.

use crate::action::Action;
use crate::bugs::Bug;
use crate::checks::Violation;
use crate::choice::Choice;
use crate::coverage::Coverage;
use crate::world::World;

/// The maximum number of replays with which a trace is shortened.
const MAX_REPLAYS: usize = 300;

/// What to simulate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    pub seed: u64,
    pub steps: usize,
    /// A bug that is planted.
    pub bug: Option<Bug>,
}

/// A violation, with what led to it.
#[derive(Debug, Clone)]
pub struct Failure {
    pub violation: Violation,
    /// The actions.
    pub trace: Vec<Action>,
    /// The actions and answers, for a person.
    pub log: Vec<String>,
}

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    /// The number of actions that were performed.
    pub steps: u64,
    pub coverage: Coverage,
    /// Equal for two runs that are the same.
    pub digest: u64,
    pub failure: Option<Failure>,
}

/// Runs a scenario.
///
/// # Panics
///
/// Panics if the async runtime can't be started.
pub fn run(scenario: Scenario) -> Report {
    block_on(async {
        let mut trace = Vec::new();
        match World::new(scenario.seed, scenario.bug).await {
            Ok(mut world) => {
                let outcome = drive(&mut world, scenario.steps, &mut trace).await;
                report(world, trace, outcome)
            }
            Err(violation) => Report {
                steps: 0,
                coverage: Coverage::default(),
                digest: 0,
                failure: Some(Failure { violation, trace, log: Vec::new() }),
            },
        }
    })
}

async fn drive(world: &mut World, steps: usize, trace: &mut Vec<Action>) -> Result<(), Violation> {
    let mut choice = Choice::new(world);
    for _ in 0..steps {
        let action = choice.next(world);
        trace.push(action.clone());
        world.apply(&action).await?;
    }
    world.probe().await
}

/// Replays a trace, or a part of one, of a scenario.
///
/// # Panics
///
/// Panics if the async runtime can't be started.
pub fn replay(scenario: Scenario, trace: &[Action]) -> Report {
    block_on(async {
        let mut world = match World::new(scenario.seed, scenario.bug).await {
            Ok(world) => world,
            Err(violation) => {
                let failure = Some(Failure { violation, trace: Vec::new(), log: Vec::new() });
                return Report { steps: 0, coverage: Coverage::default(), digest: 0, failure };
            }
        };
        // The tasks of the end follow those of the trace.
        let outcome = repeat(&mut world, trace).await;
        report(world, trace.to_vec(), outcome)
    })
}

async fn repeat(world: &mut World, trace: &[Action]) -> Result<(), Violation> {
    let last = trace.iter().filter_map(Action::task).max().unwrap_or_default();
    world.next_task = world.next_task.max(last + 1);
    for action in trace {
        world.apply(action).await?;
    }
    world.probe().await
}

fn report(world: World, trace: Vec<Action>, outcome: Result<(), Violation>) -> Report {
    let digest = world.digest();
    Report {
        steps: u64::try_from(trace.len()).unwrap_or(u64::MAX),
        digest,
        failure: outcome.err().map(|violation| Failure { violation, trace, log: world.log }),
        coverage: world.coverage,
    }
}

/// Shortens the trace of a failure to one in which the same invariant is violated.
pub fn shrink(scenario: Scenario, failure: Failure) -> Failure {
    let mut shortest = failure;
    let mut replays = 0;
    let mut size = shortest.trace.len().div_ceil(2);
    while size > 0 && replays < MAX_REPLAYS {
        let mut start = 0;
        let mut shortened = false;
        while start < shortest.trace.len() && replays < MAX_REPLAYS {
            let end = (start + size).min(shortest.trace.len());
            let rest = [shortest.trace.get(..start), shortest.trace.get(end..)];
            let candidate: Vec<Action> = rest.into_iter().flatten().flatten().cloned().collect();
            replays += 1;
            match replay(scenario, &candidate).failure {
                Some(failure) if failure.violation.check == shortest.violation.check => {
                    shortest = failure;
                    shortened = true;
                }
                _ => start = end,
            }
        }
        if !shortened || size > 1 {
            size /= 2;
        }
    }
    shortest
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("an async runtime").block_on(future)
}
