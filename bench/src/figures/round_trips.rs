//! How many times the relay waits for the client, by its own count.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::{Benchmark, SIZE};
use crate::{
    Result,
    clients::{
        lettre,
        posthaste::{self, Shape},
    },
    contest::Settings,
    load::Contestant,
    mode::Mode,
    relay::{self, Relay},
    report::Report,
};

pub const BENCHMARK: Benchmark = Benchmark {
    name: "round-trips",
    limit: Duration::from_mins(2),
    run: |settings| run(settings).boxed_local(),
};

async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report::new(BENCHMARK.name);
    let mut relay = Relay::start(relay::Args::default()).await?;
    let one = |mode| Shape {
        mode,
        connections: 1,
        depth: 1,
    };
    let mut contestants: Vec<Box<dyn Contestant>> = Vec::new();
    for mode in [Mode::Eager, Mode::Standard, Mode::Serial] {
        let name = format!("posthaste {mode}");
        if settings.wants(&name) {
            contestants.push(Box::new(posthaste::team(&name, &relay, one(mode), SIZE)?));
        }
    }
    contestants.push(Box::new(lettre::nodelay(&relay, 1, SIZE).await?));
    for contestant in &mut contestants {
        contestant.take_turn(Duration::from_millis(50)).await?;
        let before = relay.counters().await?;
        contestant.take_turn(Duration::from_millis(500)).await?;
        let after = relay.counters().await?;
        let mails = (after.mails - before.mails) as f64;
        let name = contestant.name().to_owned();
        let turns = (after.turns - before.turns) as f64 / mails;
        let records = (after.records_in - before.records_in) as f64 / mails;
        report.figure("P1", format!("{name}: round trips"), vec![turns], None);
        report.figure("P2", format!("{name}: TLS records"), vec![records], None);
    }
    report.note("Counts, and no times: the tests assert them.");
    Ok(report)
}
