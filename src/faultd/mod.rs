//! The fault relay, `posthaste-faultd`: an SMTP relay that is broken in every
//! way that a relay can be, on a port for each, to see what a client makes of
//! it. Its catalogue says what should come of each case. It stands on
//! `testrelay`, and knows nothing of the client side.

use std::{
    error::Error,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};

mod case;
mod cases;
mod coverage;
mod manifest;
mod pki;
mod recipients;
mod serve;

pub use case::{Case, Need};
pub use cases::all as catalogue;
pub use coverage::exception;
pub use manifest::{markdown, markdown_of_recipients};
pub use recipients::{RECIPIENTS, Recipient};

use manifest::{Entry, Files, Manifest};
use serve::{Place, ServeError, Serving};

/// See how your software behaves when the mail relay is broken.
///
/// Serves broken SMTP relays, each on a port of its own: certificates that are
/// expired or for another name, TLS of twenty years ago, ports that speak HTTP,
/// relays that stall, hang up, refuse or lie. A manifest in JSON says where each
/// one is and what should come of it.
#[derive(Debug, Parser)]
#[command(
    name = "posthaste-faultd",
    version,
    arg_required_else_help = true,
    after_long_help = EXAMPLES
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Example, for a CI:

  posthaste-faultd serve --state faults > faults.log &
  until grep -q ^ready faults.log; do sleep 0.1; done
  port=$(jq '.cases[] | select(.name == \"cert-expired\").port' faults/manifest.json)
  # Send a mail with your software to localhost:$port by implicit TLS, trusting
  # faults/ca.pem, and expect it to say that the certificate has expired.
  kill %1

A mail-level fault takes no port of its own: send to 451-then-250@example.org
through the port of `recipients`, and see your software try again.";

#[derive(Debug, Subcommand)]
enum Command {
    /// List the cases, and the recipients that say what becomes of a mail.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        choice: Choice,
    },
    /// Serve the cases until SIGTERM or SIGINT.
    Serve {
        #[command(flatten)]
        address: Address,
        /// Where the CA, the revocation lists, the client's certificate and the
        /// manifest are written, anew at each start.
        #[arg(long, value_name = "DIR", default_value = "posthaste-faultd")]
        state: PathBuf,
        #[command(flatten)]
        choice: Choice,
    },
    /// Print the manifest that `serve` would write, without serving.
    Manifest {
        #[command(flatten)]
        address: Address,
        /// The folder that `serve` would write to.
        #[arg(long, value_name = "DIR", default_value = "posthaste-faultd")]
        state: PathBuf,
        #[command(flatten)]
        choice: Choice,
    },
}

#[derive(Debug, clap::Args)]
struct Address {
    /// The port of the first case; the others follow in the order of the list.
    /// With 0, each takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 25000)]
    base_port: u16,
    /// The address to listen on. These relays have no secrets and take what
    /// they are given: let nobody reach them but tests.
    #[arg(long, value_name = "ADDRESS", default_value_t = Ipv4Addr::LOCALHOST.into())]
    listen: IpAddr,
    /// The name that clients connect to, which the certificates are for.
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    host: String,
}

#[derive(Debug, clap::Args)]
struct Choice {
    /// Only these cases, by name.
    #[arg(long = "case", value_name = "NAME", num_args = 1..)]
    cases: Vec<String>,
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        let outcome = match self.command {
            Command::List { json, choice } => list(json, &choice),
            Command::Serve {
                address,
                state,
                choice,
            } => serve(&address, &state, &choice),
            Command::Manifest {
                address,
                state,
                choice,
            } => print_manifest(&address, &state, &choice),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(&error);
                ExitCode::FAILURE
            }
        }
    }
}

fn list(json: bool, choice: &Choice) -> Result<(), ServeError> {
    let places = serve::places(catalogue(), 0, &choice.cases)?;
    let cases: Vec<_> = places.into_iter().map(|place| place.case).collect();
    if json {
        let entries: Vec<_> = cases.iter().map(|case| Entry::new(case, None)).collect();
        out(&serde_json::to_string_pretty(&entries)?);
        return Ok(());
    }
    out(&manifest::table(&cases));
    out(&format!(
        "\nThrough the ports of `recipients`, to any domain:\n\n{}",
        manifest::table_of_recipients()
    ));
    Ok(())
}

#[tokio::main]
async fn serve(
    address: &Address,
    state: &std::path::Path,
    choice: &Choice,
) -> Result<(), ServeError> {
    let stop = serve::told_to_stop()?;
    let places = serve::places(catalogue(), address.base_port, &choice.cases)?;
    let serving = Serving::start(&places, &address.host, address.listen, state).await?;
    out(&format!(
        "ready: {} cases, {}",
        serving.cases,
        serving.manifest.display()
    ));
    stop.await;
    drop(serving);
    Ok(())
}

fn print_manifest(
    address: &Address,
    state: &std::path::Path,
    choice: &Choice,
) -> Result<(), ServeError> {
    let places = serve::places(catalogue(), address.base_port, &choice.cases)?;
    let entry = |place: &Place| Entry::new(&place.case, Some(place.port));
    let manifest = Manifest::new(
        &address.host,
        address.listen,
        places.iter().map(entry).collect(),
        None,
        Some(Files::within(&std::path::absolute(state)?)),
    );
    out(&serde_json::to_string_pretty(&manifest)?);
    Ok(())
}

/// Prints to standard output. A closed pipe is the reader's right.
fn out(text: &str) {
    let mut stdout = io::stdout().lock();
    drop(writeln!(stdout, "{}", text.trim_end()));
    drop(stdout.flush());
}

/// Prints an error to standard error, with its causes.
fn complain(error: &dyn Error) {
    let mut text = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    drop(writeln!(io::stderr().lock(), "{text}"));
}
