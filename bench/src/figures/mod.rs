//! The benchmarks: each has a name, and one or two figures that it shows.

mod attachment;
mod depth;
mod end_to_end;
mod latency;
mod loopback;
mod memory;
mod peers;
mod postfix;
mod round_trips;
mod tail;
mod throughput;

use std::time::Duration;

use futures_util::future::LocalBoxFuture;

use crate::{Result, contest::Settings, report::Report};

/// The message that is sent where its size does not matter, in octets.
const SIZE: usize = 1024;

/// A benchmark.
pub struct Benchmark {
    pub name: &'static str,
    /// It has failed when it takes longer.
    pub limit: Duration,
    pub run: fn(&Settings) -> LocalBoxFuture<'_, Result<Report>>,
}

const ALL: [Benchmark; 11] = [
    round_trips::BENCHMARK,
    latency::BENCHMARK,
    throughput::BENCHMARK,
    depth::BENCHMARK,
    loopback::BENCHMARK,
    peers::BENCHMARK,
    postfix::BENCHMARK,
    end_to_end::BENCHMARK,
    attachment::BENCHMARK,
    memory::BENCHMARK,
    tail::BENCHMARK,
];

/// The benchmark of this name.
pub fn find(name: &str) -> Option<&'static Benchmark> {
    ALL.iter().find(|benchmark| benchmark.name == name)
}

/// What every benchmark shows, for whoever asks `scripts/bench --list`.
const LIST: &str = include_str!("../../benchmarks.txt");

impl Benchmark {
    /// What it shows.
    pub fn about(&self) -> &'static str {
        LIST.lines()
            .find_map(|line| line.strip_prefix(self.name)?.strip_prefix(' '))
            .map_or("", str::trim_start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_benchmark_is_in_the_list_and_nothing_else() {
        let listed: Vec<_> = LIST.lines().filter_map(|it| it.split(' ').next()).collect();
        assert_eq!(listed, ALL.map(|benchmark| benchmark.name));
        assert!(ALL.iter().all(|benchmark| !benchmark.about().is_empty()));
    }
}
