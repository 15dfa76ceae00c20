//! The relay that contestants send to: posthaste's test relay, in a process of
//! its own, if wanted behind a delay; or a Postfix.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use posthaste::testrelay::{
    Answer, Script, Step, TestRelay,
    ca::{Ca, Leaf},
};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    Result, delay,
    process::{self, Part},
};

/// The name that its certificate is for.
pub const HOST: &str = "localhost";

/// What it is like.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Args {
    /// Hold what passes up, so that a round trip takes so many milliseconds.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    pub round_trip: u64,
    /// Take so many milliseconds to answer MAIL.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    pub ponder: u64,
}

/// What it says when it is there.
#[derive(Debug, Deserialize, Serialize)]
struct Ready {
    port: u16,
    /// Sends back what comes, as far away as the relay.
    echo: u16,
    ca: String,
}

/// What it has counted.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Counters {
    pub mails: u64,
    pub connections: u64,
    pub turns: u64,
    pub records_in: u64,
}

/// Runs it, until standard input ends.
#[tokio::main]
pub async fn serve(args: &Args) -> Result<()> {
    let ca = Ca::new("posthaste benchmark CA");
    let mut script = Script::new();
    if args.ponder > 0 {
        let wait = Duration::from_millis(args.ponder);
        script = script.at(Step::AnyMail, Answer::usual().after(wait));
    }
    let relay = TestRelay::builder()
        .name(HOST)
        .tls(ca.issue(Leaf::new([HOST, "127.0.0.1"])))
        .script(script)
        .forgetful()
        .start()
        .await?;
    let mut address = relay.address();
    let mut echo = delay::echo()?;
    if args.round_trip > 0 {
        let round_trip = Duration::from_millis(args.round_trip);
        address = delay::start(address, round_trip)?;
        echo = delay::start(echo, round_trip)?;
    }
    let ready = Ready {
        port: address.port(),
        echo: echo.port(),
        ca: ca.pem(),
    };
    process::attend(&ready, || {
        let counters = relay.counters();
        Counters {
            mails: counters.mails,
            connections: counters.connections,
            turns: counters.turns,
            records_in: counters.records_in,
        }
    })
    .await
}

/// A relay that is running.
#[derive(Debug)]
pub struct Relay {
    part: Part,
    pub port: u16,
    pub echo: u16,
    /// The certificate of its authority.
    pub ca: String,
    folder: TempDir,
}

impl Relay {
    pub async fn start(args: Args) -> Result<Self> {
        let arguments = [
            "relay".to_owned(),
            format!("--round-trip={}", args.round_trip),
            format!("--ponder={}", args.ponder),
        ];
        Self::with(Part::start(&arguments).await?)
    }

    /// One that is `round_trip` milliseconds away.
    pub async fn at_distance(round_trip: u64) -> Result<Self> {
        Self::start(Args {
            round_trip,
            ..Args::default()
        })
        .await
    }

    /// A Postfix, which `script` starts, with a queue on the disk.
    pub async fn postfix(script: &Path) -> Result<Self> {
        Self::with(Part::run(&mut Command::new(script)).await?)
    }

    fn with((part, ready): (Part, Ready)) -> Result<Self> {
        let folder = TempDir::new()?;
        std::fs::write(folder.path().join("ca.pem"), &ready.ca)?;
        Ok(Self {
            part,
            port: ready.port,
            echo: ready.echo,
            ca: ready.ca,
            folder,
        })
    }

    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// What it has counted so far.
    pub async fn counters(&mut self) -> Result<Counters> {
        self.part.ask().await
    }

    /// The CPU time that it has used.
    pub fn cpu_time(&self) -> Result<Duration> {
        self.part.cpu_time()
    }
}
