//! The command line. Each command is a room of its own.

pub mod check;
pub mod config;
#[cfg(feature = "testrelay")]
pub mod demo;
pub mod send;
pub mod serve;
mod show;
mod tls_mode;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A mail-sending service: gRPC in, SMTP out, and an answer that says why.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service.
    Serve(serve::Args),
    /// Send a mail through a running service.
    Send(Box<send::Args>),
    /// Look at a relay: whether it takes mail, and if not, why.
    Check(Box<check::Args>),
    /// Try it: a service, three relays and three mails in one process.
    #[cfg(feature = "testrelay")]
    Demo(demo::Args),
    /// Look at the configuration.
    Config(config::Args),
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Serve(args) => serve::run(args),
            Command::Send(args) => send::run(*args),
            Command::Check(args) => check::run(&args),
            #[cfg(feature = "testrelay")]
            Command::Demo(args) => demo::run(&args),
            Command::Config(args) => config::run(args),
        }
    }
}
