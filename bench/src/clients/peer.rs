//! Programs in other languages. Each sends as many mails as it is told, on as
//! many connections, and prints what came of it.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio::process::Command;

use crate::{
    Result,
    load::{Contestant, Turn},
    message,
    relay::{HOST, Relay},
};

/// How many mails a peer sends on each connection before its clock runs.
const WARM_UP: u64 = 3;

/// How many mails on each connection tell how fast it is.
const FIRST: u64 = 20;

/// A program that sends.
#[derive(Debug)]
pub struct Peer {
    name: String,
    command: Vec<String>,
    arguments: Vec<String>,
    connections: u64,
    /// Mails in a second, as far as is known.
    rate: Option<f64>,
}

/// What it prints.
#[derive(Debug, Deserialize)]
struct Printed {
    seconds: f64,
    times_ms: Vec<f64>,
}

impl Peer {
    /// A peer that is started by `command`.
    pub fn new(
        name: &str,
        command: Vec<String>,
        relay: &Relay,
        connections: usize,
        size: usize,
    ) -> Result<Self> {
        // Wherever the relay's folder goes, it is there as long as the relay.
        let file = relay.ca_file().with_file_name("message.eml");
        std::fs::write(&file, message::octets(size))?;
        let arguments = [
            format!("--host={HOST}"),
            format!("--port={}", relay.port),
            format!("--ca={}", relay.ca_file().display()),
            format!("--message={}", file.display()),
            format!("--from={}", message::FROM),
            format!("--to={}", message::TO),
            format!("--name={}", message::EHLO_NAME),
            format!("--connections={connections}"),
            format!("--warm-up={WARM_UP}"),
        ];
        Ok(Self {
            name: name.to_owned(),
            command,
            arguments: arguments.into(),
            connections: connections as u64,
            rate: None,
        })
    }

    async fn send(&mut self, time: Duration) -> Result<Turn> {
        let wanted = self.rate.map_or(0.0, |rate| rate * time.as_secs_f64());
        let each = (wanted as u64 / self.connections).max(FIRST);
        let output = Command::new(&self.command[0])
            .args(&self.command[1..])
            .args(&self.arguments)
            .arg(format!("--count={each}"))
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| format!("{} cannot be started: {error}", self.command[0]))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} ended with {}: {said}", self.name, output.status).into());
        }
        let printed: Printed = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("{} printed something odd: {error}", self.name))?;
        let times = printed
            .times_ms
            .iter()
            .map(|ms| Duration::from_secs_f64(ms / 1000.0));
        let elapsed = Duration::from_secs_f64(printed.seconds);
        let mut turn = crate::load::turn(times.collect(), elapsed, None);
        turn.sent += WARM_UP * self.connections;
        self.rate = Some(turn.rate());
        Ok(turn)
    }
}

impl Contestant for Peer {
    fn name(&self) -> &str {
        &self.name
    }

    fn take_turn(&mut self, time: Duration) -> BoxFuture<'_, Result<Turn>> {
        Box::pin(self.send(time))
    }
}
