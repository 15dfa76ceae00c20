//! How many mails go over one connection in a second, at a distance.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::{Benchmark, SIZE};
use crate::{
    Result,
    clients::{lettre, posthaste},
    contest::{self, Settings},
    load::Turn,
    relay::Relay,
    report::{Report, at_least},
};

pub const BENCHMARK: Benchmark = Benchmark {
    name: "throughput",
    limit: Duration::from_mins(10),
    run: |settings| run(settings).boxed_local(),
};

async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report::new(BENCHMARK.name);
    for round_trip in [20, 80] {
        let contest = format!("{round_trip} ms");
        eprintln!(" {contest}");
        let mut relay = Relay::at_distance(round_trip).await?;
        let mut contestants = posthaste::teams(settings, &relay, 1, SIZE)?;
        contestants.push(Box::new(lettre::nodelay(&relay, 1, SIZE).await?));
        contestants.push(Box::new(lettre::bare(&relay, 1, SIZE).await?));
        contestants.push(Box::new(lettre::released(&relay, 1, SIZE)?));
        let turn = Duration::from_millis(50 * round_trip);
        let outcome = contest::hold(settings, turn, &mut relay, contestants).await?;
        report.contest(&contest, &outcome);
        for (name, goals) in [
            ("posthaste eager", at_least(5.0, 5.4)),
            ("posthaste standard", at_least(2.5, 2.7)),
        ] {
            report.ratio("P5", &outcome, (name, lettre::NODELAY), Turn::rate, goals);
            report.ratio("", &outcome, (name, lettre::BARE), Turn::rate, None);
            report.ratio("", &outcome, (name, lettre::RELEASED), Turn::rate, None);
        }
    }
    report.note(
        "lettre's pool says NOOP before each mail, and so do the connections with TCP_NODELAY.",
    );
    Ok(report)
}
