//! The whole service: gRPC in, STARTTLS out, against one that does nothing.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::{Benchmark, SIZE};
use crate::{
    Result,
    clients::{grpc, posthaste::Shape},
    contest::{Score, Settings},
    load::{Contestant, Team, Turn},
    machine, message, null_service,
    process::Part,
    relay::{self, Relay},
    report::{Report, at_least, at_most},
    service::Service,
};

pub const BENCHMARK: Benchmark = Benchmark {
    name: "end-to-end",
    limit: Duration::from_secs(300),
    run: |settings| run(settings).boxed_local(),
};

/// Connections of callers, and calls at a time on each.
const CALLERS: (usize, usize) = (2, 16);

const NULL: &str = "empty handler";

async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report::new(BENCHMARK.name);
    let mut relay = Relay::start(relay::Args::default()).await?;
    let (connections, calls) = CALLERS;
    let shape = Shape {
        mode: settings.mode,
        connections: 16,
        depth: 1,
    };
    let service = Service::start(&relay, shape).await?;
    let (null, ready) = Part::start::<null_service::Ready>(&["null-service".to_owned()]).await?;
    let request = message::request(SIZE);
    let callers = grpc::callers(service.port, connections, calls, &request).await?;
    let name = format!("posthaste {}", settings.mode);
    let mut posthaste = Team::serving(&*name, callers, service.pid()?);
    let callers = grpc::callers(ready.port, connections, calls, &request).await?;
    let mut empty = Team::serving(NULL, callers, null.pid()?);

    let time = settings.turn.unwrap_or(Duration::from_secs(2));
    posthaste.take_turn(time / 4).await?;
    empty.take_turn(time / 4).await?;
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    let mut loads = vec![machine::load()?];
    let mut relay_cpu = Vec::new();
    for round in 1..=settings.rounds {
        let (before, cpu) = (relay.counters().await?.mails, relay.cpu_time()?);
        let turn = posthaste.take_turn(time).await?;
        let taken = relay.counters().await?.mails - before;
        if taken != turn.sent {
            let sent = turn.sent;
            return Err(format!("{sent} mails were answered, and the relay took {taken}").into());
        }
        relay_cpu.push((relay.cpu_time()? - cpu).as_secs_f64() * 1e6 / taken as f64);
        eprintln!(
            "  round {round} of {}: {:.0} mails/s",
            settings.rounds,
            turn.rate()
        );
        ours.push(turn);
        theirs.push(empty.take_turn(time).await?);
        loads.push(machine::load()?);
    }
    let score = |name: &str, turns| Score {
        name: name.to_owned(),
        turns,
    };
    let outcome = crate::contest::Outcome {
        scores: vec![score(&name, ours), score(NULL, theirs)],
        loads,
    };
    report.contest("32 calls at a time", &outcome);
    let pair = (name.as_str(), NULL);
    report.ratio("P9", &outcome, pair, Turn::rate, at_least(0.45, 0.55));
    let cpu = |turn: &Turn| turn.cpu_per_mail().unwrap_or_default().as_secs_f64();
    report.ratio("P10", &outcome, pair, cpu, at_most(3.0, 2.0));
    let relay_cpu = crate::report::median(relay_cpu);
    report.note(format!(
        "CPU is that of the service. The relay, on the same cores, takes {relay_cpu:.1} us for \
         each mail, and the empty handler has none."
    ));
    Ok(report)
}
