//! What a benchmark found, for people and for machines.

use std::{fmt, time::Duration};

use serde::Serialize;

use crate::{
    contest::{Outcome, Score},
    load::Turn,
    machine,
};

/// What a benchmark found.
#[derive(Debug, Serialize)]
pub struct Report {
    name: &'static str,
    cores: usize,
    load: Vec<f64>,
    notes: Vec<String>,
    rows: Vec<Row>,
    ratios: Vec<Ratio>,
}

/// The medians of one contestant.
#[derive(Debug, Serialize)]
struct Row {
    contest: String,
    name: String,
    mails: u64,
    mails_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_us_per_mail: Option<f64>,
}

/// One figure: how two things compare.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are those of the JSON")]
struct Ratio {
    figure: &'static str,
    about: String,
    /// The median of the rounds.
    ratio: f64,
    /// That of the worst and of the best round.
    lowest: f64,
    highest: f64,
    must: Option<Goal>,
    aim: Option<Goal>,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Report {
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            cores: machine::cores(),
            load: Vec::new(),
            notes: Vec::new(),
            rows: Vec::new(),
            ratios: Vec::new(),
        }
    }

    /// Says something about how it was measured.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Adds the medians of a contest.
    pub fn contest(&mut self, contest: &str, outcome: &Outcome) {
        self.load.extend(&outcome.loads);
        for score in &outcome.scores {
            let of = |what: fn(&Turn) -> f64| median(score.turns.iter().map(what).collect());
            let cpu = score.turns.iter().filter_map(Turn::cpu_per_mail);
            let cpu: Vec<_> = cpu.map(|time| millis(time) * 1000.0).collect();
            self.rows.push(Row {
                contest: contest.to_owned(),
                name: score.name.clone(),
                mails: score.turns.iter().map(|turn| turn.mails).sum(),
                mails_per_second: of(Turn::rate),
                p50_ms: of(|turn| millis(turn.quantile(0.5))),
                p99_ms: of(|turn| millis(turn.quantile(0.99))),
                cpu_us_per_mail: (!cpu.is_empty()).then(|| median(cpu)),
            });
        }
    }

    /// Adds a figure: the ratio of `what` of one contestant to that of another,
    /// round by round. Nothing where one of them stayed away.
    pub fn ratio(
        &mut self,
        figure: &'static str,
        outcome: &Outcome,
        (one, other): (&str, &str),
        what: impl Fn(&Turn) -> f64,
        goals: Goals,
    ) {
        let find = |name: &str| outcome.scores.iter().find(|score| score.name == name);
        if let (Some(Score { turns: ones, .. }), Some(Score { turns: others, .. })) =
            (find(one), find(other))
        {
            let ratios = ones.iter().zip(others).map(|(a, b)| what(a) / what(b));
            self.figure(figure, format!("{one} / {other}"), ratios.collect(), goals);
        }
    }

    /// Adds a figure by its values in each round.
    pub fn figure(&mut self, figure: &'static str, about: String, values: Vec<f64>, goals: Goals) {
        let (must, aim) = goals.unzip();
        self.ratios.push(Ratio {
            figure,
            about,
            lowest: values.iter().copied().fold(f64::INFINITY, f64::min),
            highest: values.iter().copied().fold(0.0, f64::max),
            ratio: median(values),
            must,
            aim,
        });
    }
}

/// What a figure must be, and what it aims to be. `None` for one that nobody has
/// set a goal for.
pub type Goals = Option<(Goal, Goal)>;

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands beside figures without a goal"
)]
pub fn at_least(must: f64, aim: f64) -> Goals {
    Some((Goal::AtLeast(must), Goal::AtLeast(aim)))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands beside figures without a goal"
)]
pub fn at_most(must: f64, aim: f64) -> Goals {
    Some((Goal::AtMost(must), Goal::AtMost(aim)))
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loads: Vec<_> = self.load.iter().map(|load| format!("{load:.2}")).collect();
        writeln!(f, "== {}", self.name)?;
        writeln!(
            f,
            "   {} cores, load average {}",
            self.cores,
            loads.join(" ")
        )?;
        for note in &self.notes {
            writeln!(f, "   {note}")?;
        }
        let width =
            |min: usize, names: &mut dyn Iterator<Item = usize>| names.max().unwrap_or(0).max(min);
        let wide = width(10, &mut self.rows.iter().map(|row| row.name.len()));
        let mut contest = None;
        for row in &self.rows {
            if contest != Some(&row.contest) {
                contest = Some(&row.contest);
                writeln!(
                    f,
                    "\n{:<wide$}  {:>10}  {:>9}  {:>9}  {:>11}  {:>8}",
                    row.contest, "mails/s", "p50 ms", "p99 ms", "CPU us/mail", "mails"
                )?;
            }
            let cpu = row
                .cpu_us_per_mail
                .map_or("-".into(), |cpu| format!("{cpu:.1}"));
            writeln!(
                f,
                "{:<wide$}  {:>10.1}  {:>9.3}  {:>9.3}  {:>11}  {:>8}",
                row.name, row.mails_per_second, row.p50_ms, row.p99_ms, cpu, row.mails
            )?;
        }
        let wide = width(10, &mut self.ratios.iter().map(|ratio| ratio.about.len()));
        writeln!(
            f,
            "\n{:<4} {:<wide$}  {:>8}  {:>17}  {:>7}  {:>7}",
            "", "ratio", "median", "rounds", "must", "aim"
        )?;
        for ratio in &self.ratios {
            let rounds = format!("{:.3} to {:.3}", ratio.lowest, ratio.highest);
            let goal = |goal: Option<Goal>| match goal {
                None => "-".to_owned(),
                Some(Goal::AtLeast(least)) => format!(">= {least}"),
                Some(Goal::AtMost(most)) => format!("<= {most}"),
            };
            writeln!(
                f,
                "{:<4} {:<wide$}  {:>8.3}  {:>17}  {:>7}  {:>7}",
                ratio.figure,
                ratio.about,
                ratio.ratio,
                rounds,
                goal(ratio.must),
                goal(ratio.aim)
            )?;
        }
        Ok(())
    }
}
