//! posthaste in this process, by the door that the service uses.

use std::time::Duration;

use posthaste::{
    config::{self, Sources},
    relay::Directory,
    sender::{Deadline, Keep, Order, Sender},
};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    Result,
    contest::Settings,
    load::{Contestant, Courier, Team},
    message,
    mode::Mode,
    relay::{HOST, Relay},
};

/// How long a mail may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// How posthaste is to send.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub mode: Mode,
    pub connections: usize,
    /// Transactions in flight on each.
    pub depth: usize,
}

/// Transactions in flight on a connection, where there are several.
pub const DEPTH: usize = 16;

/// Eager, and [`DEPTH`] deep.
pub const DEEP: &str = "posthaste eager, 16 deep";

/// The configuration of a service that sends to `relay`.
pub fn configuration(relay: &Relay, shape: Shape) -> String {
    let Shape {
        mode,
        connections,
        depth,
    } = shape;
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n\n\
         [tls]\nca_file = \"{ca_file}\"\nsystem_roots = false\n\n\
         [relays.bench]\nhost = \"{HOST}\"\nport = {port}\nehlo_name = \"{ehlo_name}\"\n{key}\n\n\
         [relays.bench.pool]\nmax_connections = {connections}\ndepth = {depth}\n\
         # The others use a connection for as long as it lasts.\n\
         max_mails = 1_000_000\n",
        ca_file = relay.ca_file().display(),
        port = relay.port,
        ehlo_name = message::EHLO_NAME,
        key = mode.key(),
    )
}

/// posthaste in each mode that is wanted, by the mode's name.
pub fn teams(
    settings: &Settings,
    relay: &Relay,
    connections: usize,
    size: usize,
) -> Result<Vec<Box<dyn Contestant>>> {
    let mut teams: Vec<Box<dyn Contestant>> = Vec::new();
    for mode in [Mode::Eager, Mode::Standard] {
        let name = format!("posthaste {mode}");
        let shape = Shape {
            mode,
            connections,
            depth: 1,
        };
        if settings.wants(&name) {
            teams.push(Box::new(team(&name, relay, shape, size)?));
        }
    }
    Ok(teams)
}

/// posthaste with several transactions in flight on each connection.
pub fn deep(relay: &Relay, connections: usize, size: usize) -> Result<Team<Caller>> {
    let shape = Shape {
        mode: Mode::Eager,
        connections,
        depth: DEPTH,
    };
    team(DEEP, relay, shape, size)
}

/// posthaste with as many callers as it can serve at once.
pub fn team(name: &str, relay: &Relay, shape: Shape, size: usize) -> Result<Team<Caller>> {
    let sender = sender(relay, shape)?;
    let caller = Caller {
        sender,
        order: message::order(size)?,
    };
    Ok(Team::new(
        name,
        vec![caller; shape.connections * shape.depth],
    ))
}

fn sender(relay: &Relay, shape: Shape) -> Result<Sender> {
    let folder = TempDir::new()?;
    let file = folder.path().join("posthaste.toml");
    std::fs::write(&file, configuration(relay, shape))?;
    let config = config::load(&Sources {
        file: Some(file),
        ..Sources::default()
    })?;
    let keep = Keep {
        time: config.idempotency.keep,
        entries: config.idempotency.max_entries,
    };
    let directory = Directory::new(config.relay)?;
    Ok(Sender::new(directory, keep, config.server.max_under_way))
}

/// Somebody who has a mail to send.
#[derive(Clone, Debug)]
pub struct Caller {
    sender: Sender,
    order: Order,
}

impl Courier for Caller {
    async fn send(&mut self) -> Result<()> {
        let deadline = Deadline {
            answer_by: Instant::now() + DEADLINE,
        };
        self.sender.send(self.order.clone(), None, deadline).await?;
        Ok(())
    }
}
