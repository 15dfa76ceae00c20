//! How many mails go over one connection when several are in flight on it.

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
    load::Turn,
    mode::Mode,
    relay::Relay,
    report::{Report, at_least},
};

pub const BENCHMARK: Benchmark = Benchmark {
    name: "depth",
    limit: Duration::from_mins(5),
    run: |settings| run(settings).boxed_local(),
};

const IN_FLIGHT: usize = 32;

async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report::new(BENCHMARK.name);
    let mut relay = Relay::at_distance(20).await?;
    let shape = Shape {
        mode: Mode::Eager,
        connections: 1,
        depth: IN_FLIGHT,
    };
    let name = format!("posthaste eager, {IN_FLIGHT} in flight");
    let posthaste = posthaste::team(&name, &relay, shape, SIZE)?;
    let lettre = lettre::nodelay(&relay, 1, SIZE).await?;
    let turn = Duration::from_secs(3);
    let outcome = contest::hold(
        settings,
        turn,
        &mut relay,
        vec![Box::new(posthaste), Box::new(lettre)],
    )
    .await?;
    report.contest("20 ms, one connection", &outcome);
    let pair = (name.as_str(), lettre::NODELAY);
    report.ratio("P6", &outcome, pair, Turn::rate, at_least(100.0, 130.0));
    Ok(report)
}
