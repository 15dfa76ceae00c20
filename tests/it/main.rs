//! One binary for all integration tests.

mod compose;
mod strategies;
