//! posthaste against what programs in other languages send with.

use std::{path::Path, time::Duration};

use futures_util::FutureExt as _;

use super::{Benchmark, SIZE};
use crate::{
    Result,
    clients::{
        peer::Peer,
        posthaste::{self, Shape},
    },
    contest::{self, Settings},
    load::{Contestant, Turn},
    relay::{self, Relay},
    report::{Report, at_least},
};

pub const BENCHMARK: Benchmark = Benchmark {
    name: "peers",
    limit: Duration::from_mins(15),
    run: |settings| run(settings).boxed_local(),
};

const CONNECTIONS: usize = 16;

/// Each peer, and what starts it, below the folder of the peers.
const PEERS: [(&str, &[&str]); 5] = [
    ("smtplib", &["venv/bin/python", "smtplib_peer.py"]),
    ("aiosmtplib", &["venv/bin/python", "aiosmtplib_peer.py"]),
    ("nodemailer", &["/usr/bin/env", "node", "nodemailer.mjs"]),
    ("net/smtp", &["bin/netsmtp"]),
    ("go-mail", &["bin/gomail"]),
];

async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report::new(BENCHMARK.name);
    let mut relay = Relay::start(relay::Args::default()).await?;
    let name = format!("posthaste {}", settings.mode);
    let shape = Shape {
        mode: settings.mode,
        connections: CONNECTIONS,
        depth: 1,
    };
    let mut contestants: Vec<Box<dyn Contestant>> =
        vec![Box::new(posthaste::team(&name, &relay, shape, SIZE)?)];
    if settings.wants(posthaste::DEEP) {
        contestants.push(Box::new(posthaste::deep(&relay, CONNECTIONS, SIZE)?));
    }
    for (peer, command) in PEERS {
        let command = command.iter().map(|word| in_folder(&settings.peers, word));
        let peer = Peer::new(peer, command.collect(), &relay, CONNECTIONS, SIZE)?;
        contestants.push(Box::new(peer));
    }
    let turn = Duration::from_secs(2);
    let outcome = contest::hold(settings, turn, &mut relay, contestants).await?;
    report.contest("loopback, 16 connections", &outcome);
    for (peer, _) in PEERS {
        for ours in [name.as_str(), posthaste::DEEP] {
            report.ratio(
                "P8",
                &outcome,
                (ours, peer),
                Turn::rate,
                at_least(10.0, 20.0),
            );
        }
    }
    report.note("Each by STARTTLS, on connections that are open when the clock runs.");
    Ok(report)
}

/// A file of the folder, or a word that is none.
fn in_folder(folder: &Path, word: &str) -> String {
    let path = folder.join(word);
    if path.exists() {
        path.display().to_string()
    } else {
        word.to_owned()
    }
}
