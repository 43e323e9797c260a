//! Release builds of functions, run by a Runtime API of our own.

pub mod deployment;
pub mod instructions;
pub mod lambda;
pub mod package;
pub mod programs;
pub mod proxy;
pub mod template;
pub mod variations;
