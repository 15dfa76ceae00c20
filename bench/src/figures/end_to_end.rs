//! The whole service: gRPC in, STARTTLS out, against one that does nothing.

use std::time::Duration;

use ::posthaste::api::pb;
use futures_util::FutureExt as _;

use super::{Benchmark, SIZE};
use crate::{
    Result,
    clients::{
        grpc,
        posthaste::{self, Shape},
    },
    contest::{Outcome, Score, Settings},
    load::{Contestant, Team, Turn},
    machine, message,
    mode::Mode,
    null_service,
    process::Part,
    relay::{self, Relay},
    report::{Report, at_least, at_most},
    service::Service,
};

pub const BENCHMARK: Benchmark = Benchmark {
    name: "end-to-end",
    limit: Duration::from_mins(5),
    run: |settings| run(settings).boxed_local(),
};

/// Connections of callers, and calls at a time on each.
const CALLERS: (usize, usize) = (2, 16);

const NULL: &str = "empty handler";

/// How the service is configured: each has room for all calls at once.
fn shapes(settings: &Settings) -> [(String, Shape); 2] {
    let (connections, calls) = CALLERS;
    [
        (
            format!("posthaste {}", settings.mode),
            Shape {
                mode: settings.mode,
                connections: 16,
                depth: 1,
            },
        ),
        (
            posthaste::DEEP.to_owned(),
            Shape {
                mode: Mode::Eager,
                connections: connections * calls / posthaste::DEPTH,
                depth: posthaste::DEPTH,
            },
        ),
    ]
}

/// A service and its callers.
struct Ours {
    team: Team<grpc::Caller>,
    turns: Vec<Turn>,
    relay_cpu: Vec<f64>,
    _service: Service,
}

impl Ours {
    async fn start(
        name: String,
        shape: Shape,
        relay: &Relay,
        request: &pb::SendMailRequest,
    ) -> Result<Self> {
        let service = Service::start(relay, shape).await?;
        let (connections, calls) = CALLERS;
        let callers = grpc::callers(service.port, connections, calls, request).await?;
        Ok(Self {
            team: Team::serving(name, callers, service.pid()?),
            turns: Vec::new(),
            relay_cpu: Vec::new(),
            _service: service,
        })
    }

    async fn take_turn(&mut self, time: Duration, relay: &mut Relay) -> Result<()> {
        let (before, cpu) = (relay.counters().await?.mails, relay.cpu_time()?);
        let turn = self.team.take_turn(time).await?;
        let taken = relay.counters().await?.mails - before;
        if taken != turn.sent {
            let sent = turn.sent;
            return Err(format!("{sent} mails were answered, and the relay took {taken}").into());
        }
        let relay_cpu = relay.cpu_time()?.saturating_sub(cpu);
        let relay_cpu = relay_cpu.as_secs_f64() * 1e6 / taken as f64;
        self.relay_cpu.push(relay_cpu);
        self.turns.push(turn);
        Ok(())
    }
}

async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report::new(BENCHMARK.name);
    let mut relay = Relay::start(relay::Args::default()).await?;
    let (null, ready) = Part::start::<null_service::Ready>(&["null-service".to_owned()]).await?;
    let request = message::request(SIZE);
    let (connections, calls) = CALLERS;
    let callers = grpc::callers(ready.port, connections, calls, &request).await?;
    let mut empty = Team::serving(NULL, callers, null.pid()?);
    let mut ours = Vec::new();
    for (name, shape) in shapes(settings) {
        if settings.wants(&name) {
            ours.push(Ours::start(name, shape, &relay, &request).await?);
        }
    }

    let time = settings.turn.unwrap_or(Duration::from_secs(2));
    for one in &mut ours {
        one.team.take_turn(time / 4).await?;
    }
    empty.take_turn(time / 4).await?;
    let mut theirs = Vec::new();
    let mut loads = vec![machine::load()?];
    for round in 1..=settings.rounds {
        for one in &mut ours {
            one.take_turn(time, &mut relay).await?;
        }
        theirs.push(empty.take_turn(time).await?);
        loads.push(machine::load()?);
        eprintln!("  round {round} of {}", settings.rounds);
    }

    let mut scores = Vec::new();
    for one in ours {
        let name = one.team.name().to_owned();
        let relay_cpu = crate::report::median(one.relay_cpu);
        report.note(format!(
            "{name}: the relay takes {relay_cpu:.1} us of CPU for each mail."
        ));
        scores.push(Score {
            name,
            turns: one.turns,
        });
    }
    let names: Vec<_> = scores.iter().map(|score| score.name.clone()).collect();
    scores.push(Score {
        name: NULL.to_owned(),
        turns: theirs,
    });
    let outcome = Outcome { scores, loads };
    report.contest("32 calls at a time", &outcome);
    let cpu = |turn: &Turn| turn.cpu_per_mail().unwrap_or_default().as_secs_f64();
    for name in &names {
        let pair = (name.as_str(), NULL);
        report.ratio("P9", &outcome, pair, Turn::rate, at_least(0.45, 0.55));
        report.ratio("P10", &outcome, pair, cpu, at_most(3.0, 2.0));
    }
    report.note(
        "CPU is that of the service. The relay has the same cores, and the empty handler has no \
         relay.",
    );
    Ok(report)
}
