//! How long the slowest mails take, at half of what the service can do.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::{Benchmark, SIZE};
use crate::{
    Result,
    clients::{grpc, posthaste::Shape},
    contest::{Outcome, Score, Settings},
    load::{self, Contestant, Team},
    machine, message,
    relay::{self, Relay},
    report::{Report, at_most, median, millis},
    service::Service,
};

pub const BENCHMARK: Benchmark = Benchmark {
    name: "tail",
    limit: Duration::from_mins(5),
    run: |settings| run(settings).boxed_local(),
};

async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report::new(BENCHMARK.name);
    let mut relay = Relay::start(relay::Args::default()).await?;
    let shape = Shape {
        mode: settings.mode,
        connections: 16,
        depth: 1,
    };
    let service = Service::start(&relay, shape).await?;
    let time = settings.turn.unwrap_or(Duration::from_secs(3));
    let request = message::request(SIZE);
    let callers = grpc::callers(service.port, 2, 16, &request).await?;
    let caller = callers.first().ok_or("there are no callers")?.clone();
    let mut full = Team::serving("full", callers, service.pid()?);
    full.take_turn(time / 4).await?;
    let rate = full.take_turn(time).await?.rate();
    let mut turns = Vec::new();
    let mut loads = vec![machine::load()?];
    for round in 1..=settings.rounds {
        let before = relay.counters().await?.mails;
        let turn = load::at_rate(&caller, rate / 2.0, time).await?;
        let taken = relay.counters().await?.mails - before;
        if taken != turn.sent {
            let sent = turn.sent;
            return Err(format!("{sent} mails were answered, and the relay took {taken}").into());
        }
        eprintln!(
            "  round {round} of {}: p50 {:?}",
            settings.rounds,
            turn.quantile(0.5)
        );
        turns.push(turn);
        loads.push(machine::load()?);
    }
    let quotients = turns
        .iter()
        .map(|turn| millis(turn.quantile(0.99)) / millis(turn.quantile(0.5)));
    let quotients: Vec<_> = quotients.collect();
    let name = format!("posthaste {}", settings.mode);
    let score = Score {
        name: name.clone(),
        turns,
    };
    report.contest(
        "half load",
        &Outcome {
            scores: vec![score],
            loads,
        },
    );
    report.note(format!(
        "Full load is {rate:.0} mails/s; median quotient {:.2}.",
        median(quotients.clone())
    ));
    report.figure(
        "P13",
        format!("{name}: p99 / p50"),
        quotients,
        at_most(6.0, 4.0),
    );
    Ok(report)
}
