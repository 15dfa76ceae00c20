//! A contest: contestants take turns, round by round, and the relay's count is
//! held against what they say they sent.

use std::{path::PathBuf, time::Duration};

use crate::{
    Result,
    load::{Contestant, Turn},
    machine,
    mode::Mode,
    relay::Relay,
};

/// What whoever runs a benchmark chooses.
#[derive(Clone, Debug)]
pub struct Settings {
    pub rounds: u32,
    /// How long a turn lasts, instead of what suits the benchmark.
    pub turn: Option<Duration>,
    /// Parts of the names of contestants that stay away.
    pub without: Vec<String>,
    pub mode: Mode,
    pub peers: PathBuf,
}

impl Settings {
    /// Whether a contestant takes part.
    pub fn wants(&self, name: &str) -> bool {
        !self.without.iter().any(|part| name.contains(part))
    }
}

/// The turns of one contestant.
#[derive(Clone, Debug)]
pub struct Score {
    pub name: String,
    pub turns: Vec<Turn>,
}

/// How a contest went.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub scores: Vec<Score>,
    /// The load average at the start of each round, and at the end.
    pub loads: Vec<f64>,
}

/// Lets `contestants` send to `relay`, each once in every round.
pub async fn hold(
    settings: &Settings,
    turn: Duration,
    relay: &mut Relay,
    mut contestants: Vec<Box<dyn Contestant>>,
) -> Result<Outcome> {
    let time = settings.turn.unwrap_or(turn);
    contestants.retain(|contestant| settings.wants(contestant.name()));
    // Connections, caches and branch predictors: what is measured is later.
    for contestant in &mut contestants {
        eprintln!("  warm-up: {}", contestant.name());
        counted(contestant.as_mut(), time / 4, relay).await?;
    }
    let mut scores: Vec<_> = contestants
        .iter()
        .map(|contestant| Score {
            name: contestant.name().to_owned(),
            turns: Vec::new(),
        })
        .collect();
    let mut loads = vec![machine::load()?];
    for round in 1..=settings.rounds {
        for (contestant, score) in contestants.iter_mut().zip(&mut scores) {
            let turn = counted(contestant.as_mut(), time, relay).await?;
            eprintln!(
                "  round {round} of {}: {}: {:.1} mails/s",
                settings.rounds,
                score.name,
                turn.rate()
            );
            score.turns.push(turn);
        }
        loads.push(machine::load()?);
    }
    Ok(Outcome { scores, loads })
}

/// A turn after which the relay has as many mails more as were sent.
async fn counted(
    contestant: &mut dyn Contestant,
    time: Duration,
    relay: &mut Relay,
) -> Result<Turn> {
    let before = relay.counters().await?.mails;
    let turn = contestant.take_turn(time).await?;
    let taken = relay.counters().await?.mails - before;
    if taken != turn.sent {
        let name = contestant.name();
        return Err(format!(
            "{name} sent {} mails, and the relay took {taken}",
            turn.sent
        )
        .into());
    }
    Ok(turn)
}
