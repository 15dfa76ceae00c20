//! The `posthaste` program.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    posthaste::cli::Cli::parse().run()
}
