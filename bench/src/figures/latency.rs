//! What one mail waits for on a warm connection, against the round trip itself.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::{Benchmark, SIZE};
use crate::{
    Result,
    clients::{
        echo,
        posthaste::{self, Shape},
    },
    contest::{self, Settings},
    relay::Relay,
    report::{self, Report, at_most, millis},
};

pub const BENCHMARK: Benchmark = Benchmark {
    name: "latency",
    limit: Duration::from_mins(5),
    run: |settings| run(settings).boxed_local(),
};

async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report::new(BENCHMARK.name);
    for round_trip in [20, 80] {
        let contest = format!("{round_trip} ms");
        eprintln!(" {contest}");
        let mut relay = Relay::at_distance(round_trip).await?;
        let shape = Shape {
            mode: settings.mode,
            connections: 1,
            depth: 1,
        };
        let name = format!("posthaste {}", settings.mode);
        let posthaste = posthaste::team(&name, &relay, shape, SIZE)?;
        let echo = echo::team(&relay).await?;
        let turn = Duration::from_secs(3);
        let outcome = contest::hold(
            settings,
            turn,
            &mut relay,
            vec![Box::new(echo), Box::new(posthaste)],
        )
        .await?;
        report.contest(&contest, &outcome);
        let median = |turn: &crate::load::Turn| millis(turn.quantile(0.5));
        report.ratio(
            "P4",
            &outcome,
            (&name, echo::NAME),
            median,
            at_most(1.05, 1.02),
        );
        if let Some(score) = outcome.scores.iter().find(|score| score.name == echo::NAME) {
            let measured = report::median(score.turns.iter().map(median).collect());
            report.note(format!(
                "The delay is made in user space: {round_trip} ms are measured as {measured:.2} ms."
            ));
        }
    }
    Ok(report)
}
