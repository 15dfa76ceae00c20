//! How many mails go in a second when the way to the relay costs nothing: what
//! is left is work.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::{Benchmark, SIZE};
use crate::{
    Result,
    clients::{lettre, posthaste},
    contest::{self, Settings},
    load::Turn,
    relay::{self, Relay},
    report::{Report, at_least},
};

pub const BENCHMARK: Benchmark = Benchmark {
    name: "loopback",
    limit: Duration::from_mins(5),
    run: |settings| run(settings).boxed_local(),
};

const CONNECTIONS: usize = 16;

async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report::new(BENCHMARK.name);
    let mut relay = Relay::start(relay::Args::default()).await?;
    let mut contestants = posthaste::teams(settings, &relay, CONNECTIONS, SIZE)?;
    if settings.wants(posthaste::DEEP) {
        contestants.push(Box::new(posthaste::deep(&relay, CONNECTIONS, SIZE)?));
    }
    contestants.push(Box::new(lettre::nodelay(&relay, CONNECTIONS, SIZE).await?));
    contestants.push(Box::new(lettre::released(&relay, CONNECTIONS, SIZE)?));
    let turn = Duration::from_secs(2);
    let outcome = contest::hold(settings, turn, &mut relay, contestants).await?;
    report.contest("loopback, 16 connections", &outcome);
    for (name, goals) in [
        ("posthaste eager", at_least(3.5, 5.0)),
        (posthaste::DEEP, at_least(3.5, 5.0)),
        ("posthaste standard", None),
    ] {
        report.ratio("P7", &outcome, (name, lettre::NODELAY), Turn::rate, goals);
        report.ratio("", &outcome, (name, lettre::RELEASED), Turn::rate, None);
    }
    report.note("The relay has the same cores, and so bounds whoever is faster than it.");
    Ok(report)
}
