//! Measures posthaste against others. `scripts/bench` builds and runs this; each
//! figure of `docs/performance.md` is one command. Knows how to measure, and
//! nothing of how posthaste does what is measured: it uses the doors that the
//! service itself uses.

mod clients;
mod contest;
mod delay;
mod figures;
mod load;
mod machine;
mod message;
mod mode;
mod null_service;
mod process;
mod relay;
mod report;
mod service;

use std::{ffi::OsString, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

/// Whatever keeps a benchmark from ending well.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// Measures posthaste against others, on relays of its own.
///
/// Contestants take turns in every round, so that whatever else the machine
/// does meets all of them. What is printed is the median of the rounds. Ratios
/// are taken within each round: they mean something on any machine, which times
/// do not. No benchmark fails for being slow. It fails when something went
/// wrong, such as a mail that was sent and that the relay does not have.
#[derive(Debug, Parser)]
#[command(
    name = "scripts/bench",
    arg_required_else_help = true,
    subcommand_required = false
)]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// The benchmarks to run; see --list.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// One JSON object for each benchmark, on standard output.
    #[arg(long)]
    json: bool,
    /// How often each contestant has its turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How many seconds a turn lasts, instead of what suits the benchmark.
    #[arg(long, value_name = "SECONDS")]
    turn: Option<f64>,
    /// Leave out contestants whose names hold this (may be repeated).
    #[arg(long, value_name = "TEXT")]
    without: Vec<String>,
    /// How posthaste carries out transactions, where a benchmark leaves that
    /// open.
    #[arg(long, value_enum, default_value_t = mode::Mode::Eager)]
    mode: mode::Mode,
    /// Where the peers are.
    #[arg(long, hide = true, default_value = "bench/peers")]
    peers: PathBuf,
}

/// What runs in a process of its own, so that its CPU time is not counted for
/// somebody else's.
#[derive(Debug, Subcommand)]
enum Part {
    #[command(hide = true)]
    Relay(relay::Args),
    #[command(hide = true)]
    NullService,
    /// posthaste's own command line.
    #[command(hide = true)]
    Posthaste {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.part {
        Some(Part::Relay(relay)) => relay::serve(relay),
        Some(Part::NullService) => null_service::serve(),
        Some(Part::Posthaste { args }) => {
            let name = OsString::from("posthaste");
            return posthaste::cli::Cli::parse_from([&name].into_iter().chain(args)).run();
        }
        None => run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let chosen: Vec<_> = args
        .names
        .iter()
        .map(|name| {
            figures::find(name).ok_or_else(|| format!("there is no benchmark `{name}`; see --list"))
        })
        .collect::<std::result::Result<_, _>>()?;
    let settings = contest::Settings {
        rounds: args.rounds,
        turn: args.turn.map(Duration::try_from_secs_f64).transpose()?,
        without: args.without.clone(),
        mode: args.mode,
        peers: args.peers.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    for benchmark in chosen {
        let limit = benchmark.limit;
        eprintln!(
            "{}: {} (at most {} s)",
            benchmark.name,
            benchmark.about(),
            limit.as_secs()
        );
        let report = runtime.block_on(async {
            tokio::time::timeout(limit, (benchmark.run)(&settings))
                .await
                .map_err(|_| {
                    format!(
                        "{} did not end within {} s",
                        benchmark.name,
                        limit.as_secs()
                    )
                })?
        })?;
        if args.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            println!("{report}");
        }
    }
    Ok(())
}
