//! What functions may weigh and take to start, by their release builds.

use bench::budgets::{Budgets, Started};
use bench::functions::front::{Front, Mode};
use bench::functions::lambda::Function;
use bench::functions::world::World;
use bench::functions::{instructions, package, programs};
use serde_json::Value;

/// Instructions are counted where there is a valgrind to count them.
#[tokio::test]
async fn no_function_is_larger_or_takes_more_to_start_than_its_budget() {
    let programs = programs::build();
    let budgets = Budgets::read();
    let world = World::new(&programs).await;
    let front = Front::start(&world.engine.url, Mode::Remember, None).await;
    let mut complaints = Vec::new();
    for program in &programs {
        let variables = program.environment(&front.url);
        let mut function = Function::start(&program.path, &variables, &[]).await;
        function.first_poll().await;
        let started = Started {
            zip_bytes: package::zip_bytes(&program.path),
            init_instructions: instructions::count(&program.path, &variables, &Value::Null, 0).await,
            memory_kib: function.status_kib("VmHWM"),
            first_poll_hellos: None,
        };
        complaints.extend(budgets.complaints_of(&program.name, &started));
    }
    // On the machines of continuous integration nothing may go uncounted.
    let is_counted = instructions::can_be_counted().await;
    assert!(is_counted || option_env!("CI").is_none(), "instructions are not counted: there is no valgrind");
    assert!(complaints.is_empty(), "bench/budgets.toml:\n{}", complaints.join("\n"));
}
