//! The `posthaste-faultd` program.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    posthaste::faultd::Cli::parse().run()
}
