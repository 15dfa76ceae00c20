//! How much memory the service takes for large mails.

use std::time::Duration;

use futures_util::{FutureExt as _, future::try_join_all};

use super::Benchmark;
use crate::{
    Result,
    clients::{grpc, posthaste::Shape},
    contest::Settings,
    load::Courier,
    machine, message,
    relay::{self, Relay},
    report::{Report, at_most},
    service::Service,
};

pub const BENCHMARK: Benchmark = Benchmark {
    name: "memory",
    limit: Duration::from_mins(5),
    run: |settings| run(settings).boxed_local(),
};

const MAILS: usize = 20;
const FILE: usize = 10 << 20;

/// How long the relay takes to answer MAIL, so that every mail has arrived before
/// the first one goes, in milliseconds.
const PONDER: u64 = 3000;

async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report::new(BENCHMARK.name);
    let mut peaks = Vec::new();
    let request = message::request_with_attachment(message::file(FILE));
    for round in 1..=settings.rounds {
        let mut relay = Relay::start(relay::Args {
            ponder: PONDER,
            ..relay::Args::default()
        })
        .await?;
        let shape = Shape {
            mode: settings.mode,
            connections: MAILS,
            depth: 1,
        };
        let service = Service::start(&relay, shape).await?;
        let mut callers = grpc::callers(service.port, MAILS, 1, &request).await?;
        let idle = machine::peak_memory(service.pid()?)?;
        try_join_all(callers.iter_mut().map(Courier::send)).await?;
        let taken = relay.counters().await?.mails;
        if taken != MAILS as u64 {
            return Err(format!("{MAILS} mails were answered, and the relay took {taken}").into());
        }
        let peak = machine::peak_memory(service.pid()?)?;
        eprintln!(
            "  round {round} of {}: {} MiB, of which {} MiB before the first mail",
            settings.rounds,
            peak >> 20,
            idle >> 20
        );
        peaks.push(peak as f64 / (MAILS * FILE) as f64);
    }
    let about = format!(
        "posthaste {}: peak resident / {MAILS} x 10 MiB",
        settings.mode
    );
    report.figure("P12", about, peaks, at_most(1.3, 1.1));
    Ok(report)
}
