//! The service, as `posthaste serve` runs it, in a process of its own.

use std::{path::PathBuf, process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{
    Result,
    clients::posthaste::{Shape, configuration},
    relay::Relay,
};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What its log says before the address that it listens on.
const LISTENS: &str = "listening on 127.0.0.1:";

/// A service that is running.
#[derive(Debug)]
pub struct Service {
    child: Child,
    pub port: u16,
    _folder: TempDir,
}

impl Service {
    /// Starts it, with a log at the default level.
    pub async fn start(relay: &Relay, shape: Shape) -> Result<Self> {
        let folder = TempDir::new()?;
        let file = folder.path().join("posthaste.toml");
        std::fs::write(&file, configuration(relay, shape))?;
        let log = folder.path().join("log");
        let child = Command::new(std::env::current_exe()?)
            .args(["posthaste", "serve"])
            .arg("--config")
            .arg(file)
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()?;
        let port = port(&log).await?;
        Ok(Self {
            child,
            port,
            _folder: folder,
        })
    }

    pub fn pid(&self) -> Result<u32> {
        Ok(self.child.id().ok_or("the service has ended")?)
    }
}

async fn port(log: &PathBuf) -> Result<u16> {
    let started = Instant::now();
    loop {
        let text = std::fs::read_to_string(log)?;
        if let Some((_, rest)) = text.split_once(LISTENS) {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            return Ok(digits.parse()?);
        }
        if started.elapsed() > PATIENCE {
            return Err(format!("the service does not listen: {text}").into());
        }
        sleep(Duration::from_millis(20)).await;
    }
}
