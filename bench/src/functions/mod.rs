//! Functions as they are deployed: their release builds, started by a Runtime API of the bench's own.

pub mod front;
pub mod instructions;
pub mod lambda;
pub mod package;
pub mod programs;
pub mod template;
pub mod world;
