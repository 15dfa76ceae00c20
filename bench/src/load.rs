//! Makes contestants send as fast as they can, or at a given rate, and takes the
//! times.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::{task::JoinSet, time::Instant};

use crate::{Result, machine};

/// Sends mails, one after another.
pub trait Courier: Send + 'static {
    /// Sends one, and waits until the relay has it.
    fn send(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// What came of a turn.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// Mails that were sent, those before the clock ran among them.
    pub sent: u64,
    /// Mails that were sent while the clock ran.
    pub mails: u64,
    /// How long it ran.
    pub elapsed: Duration,
    /// How long each mail took, the shortest first.
    pub times: Vec<Duration>,
    /// CPU time of whoever sent.
    pub cpu: Option<Duration>,
}

impl Turn {
    /// Mails in a second.
    pub fn rate(&self) -> f64 {
        self.mails as f64 / self.elapsed.as_secs_f64()
    }

    /// The time that this share of the mails took at most.
    pub fn quantile(&self, share: f64) -> Duration {
        let last = self.times.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.times.get(at).copied().unwrap_or_default()
    }

    /// CPU time for each mail.
    pub fn cpu_per_mail(&self) -> Option<Duration> {
        let mails = u32::try_from(self.mails).ok().filter(|&mails| mails > 0)?;
        Some(self.cpu? / mails)
    }
}

/// Somebody who sends, in turns.
pub trait Contestant {
    fn name(&self) -> &str;

    /// Sends for about as long as `time`.
    fn take_turn(&mut self, time: Duration) -> BoxFuture<'_, Result<Turn>>;
}

/// Couriers who send at the same time, each as fast as it can.
#[derive(Debug)]
pub struct Team<C> {
    name: String,
    couriers: Vec<C>,
    /// The process whose CPU time counts.
    pid: u32,
    /// Whether what they send is mail.
    sends_mail: bool,
}

impl<C: Courier> Team<C> {
    /// Couriers in this process.
    pub fn new(name: impl Into<String>, couriers: Vec<C>) -> Self {
        Self::serving(name, couriers, std::process::id())
    }

    /// Couriers that bring their mails to the process `pid`.
    pub fn serving(name: impl Into<String>, couriers: Vec<C>, pid: u32) -> Self {
        Self {
            name: name.into(),
            couriers,
            pid,
            sends_mail: true,
        }
    }

    /// What they send is no mail, and the relay has nothing to count.
    pub fn without_mail(self) -> Self {
        Self {
            sends_mail: false,
            ..self
        }
    }

    async fn send(&mut self, time: Duration) -> Result<Turn> {
        let cpu = machine::cpu_time(self.pid)?;
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for mut courier in self.couriers.drain(..) {
            tasks.spawn(async move {
                let mut times = Vec::new();
                loop {
                    let began = Instant::now();
                    courier.send().await?;
                    times.push(began.elapsed());
                    if started.elapsed() >= time {
                        return crate::Result::Ok((courier, times));
                    }
                }
            });
        }
        let mut times = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            let (courier, more) = ended??;
            self.couriers.push(courier);
            times.extend(more);
        }
        let elapsed = started.elapsed();
        let cpu = machine::cpu_time(self.pid)?.saturating_sub(cpu);
        let turn = turn(times, elapsed, Some(cpu));
        Ok(Turn {
            sent: if self.sends_mail { turn.sent } else { 0 },
            ..turn
        })
    }
}

impl<C: Courier> Contestant for Team<C> {
    fn name(&self) -> &str {
        &self.name
    }

    fn take_turn(&mut self, time: Duration) -> BoxFuture<'_, Result<Turn>> {
        Box::pin(self.send(time))
    }
}

/// Sends at `rate` mails in a second for `time`, whether or not earlier ones have
/// arrived, as callers do who know nothing of each other. Each mail's time counts
/// from when it was due.
pub async fn at_rate<C: Courier + Clone>(courier: &C, rate: f64, time: Duration) -> Result<Turn> {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    let count = (rate * time.as_secs_f64()) as u32;
    let mut times = Vec::new();
    for number in 0..count {
        let due = started + Duration::from_secs_f64(f64::from(number) / rate);
        // The timer is as coarse as a millisecond: some go a little late, and
        // their times say so.
        tokio::time::sleep_until(due).await;
        let mut courier = courier.clone();
        tasks.spawn(async move {
            courier.send().await?;
            crate::Result::Ok(due.elapsed())
        });
        while let Some(ended) = tasks.try_join_next() {
            times.push(ended??);
        }
    }
    while let Some(ended) = tasks.join_next().await {
        times.push(ended??);
    }
    Ok(turn(times, started.elapsed(), None))
}

/// A turn in which every mail was counted.
pub fn turn(mut times: Vec<Duration>, elapsed: Duration, cpu: Option<Duration>) -> Turn {
    times.sort_unstable();
    let mails = times.len() as u64;
    Turn {
        sent: mails,
        mails,
        elapsed,
        times,
        cpu,
    }
}
