//! What is left of all that when the relay is a real one.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::{Benchmark, SIZE};
use crate::{
    Result,
    clients::{
        lettre,
        posthaste::{self, Shape},
    },
    contest::{self, Settings},
    load::{Contestant, Turn},
    relay::Relay,
    report::Report,
};

pub const BENCHMARK: Benchmark = Benchmark {
    name: "postfix",
    limit: Duration::from_mins(10),
    run: |settings| run(settings).boxed_local(),
};

async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report::new(BENCHMARK.name);
    let name = format!("posthaste {}", settings.mode);
    for connections in [1, 16] {
        let contest = format!("Postfix, {connections} connections");
        eprintln!(" {contest}");
        let mut relay = Relay::postfix(&settings.peers.join("postfix.sh")).await?;
        let shape = Shape {
            mode: settings.mode,
            connections,
            depth: 1,
        };
        let contestants: Vec<Box<dyn Contestant>> = vec![
            Box::new(posthaste::team(&name, &relay, shape, SIZE)?),
            Box::new(lettre::nodelay(&relay, connections, SIZE).await?),
            Box::new(lettre::released(&relay, connections, SIZE)?),
        ];
        let turn = Duration::from_secs(3);
        let outcome = contest::hold(settings, turn, &mut relay, contestants).await?;
        report.contest(&contest, &outcome);
        for other in [lettre::NODELAY, lettre::RELEASED] {
            report.ratio("P8", &outcome, (&name, other), Turn::rate, None);
        }
    }
    report.note("It writes each mail to the disk, and says so only then.");
    Ok(report)
}
