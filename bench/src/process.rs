//! Processes that a benchmark starts: a line of JSON says that one is ready, and
//! it ends when its standard input does, however the benchmark ended.

use std::{process::Stdio, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{Result, machine};

/// How long a process may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that says when it is ready, and what its state is.
#[derive(Debug)]
pub struct Part {
    child: Child,
    ask: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Part {
    /// Starts this program with other arguments.
    pub async fn start<T: DeserializeOwned>(args: &[String]) -> Result<(Self, T)> {
        Self::run(Command::new(std::env::current_exe()?).args(args)).await
    }

    /// Starts `command`. What it says when it is ready.
    pub async fn run<T: DeserializeOwned>(command: &mut Command) -> Result<(Self, T)> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let ask = child.stdin.take().ok_or("no standard input")?;
        let answers = child.stdout.take().ok_or("no standard output")?;
        let mut part = Self {
            child,
            ask,
            answers: BufReader::new(answers).lines(),
        };
        let ready = part.answer().await?;
        Ok((part, ready))
    }

    /// Asks for its state.
    pub async fn ask<T: DeserializeOwned>(&mut self) -> Result<T> {
        self.ask.write_all(b"\n").await?;
        self.answer().await
    }

    async fn answer<T: DeserializeOwned>(&mut self) -> Result<T> {
        let line = timeout(PATIENCE, self.answers.next_line())
            .await
            .map_err(|_| "a process did not answer in time")??
            .ok_or("a process has ended")?;
        Ok(serde_json::from_str(&line)?)
    }

    pub fn pid(&self) -> Result<u32> {
        Ok(self.child.id().ok_or("a process has ended")?)
    }

    /// The CPU time that it has used.
    pub fn cpu_time(&self) -> Result<Duration> {
        machine::cpu_time(self.pid()?)
    }
}

/// The side of the process: says that it is ready, and then its state whenever it
/// is asked, until nobody is there to ask.
pub async fn attend<R: Serialize, S: Serialize>(ready: &R, state: impl Fn() -> S) -> Result<()> {
    let mut out = tokio::io::stdout();
    let mut asked = BufReader::new(tokio::io::stdin()).lines();
    say(&mut out, ready).await?;
    while asked.next_line().await?.is_some() {
        say(&mut out, &state()).await?;
    }
    Ok(())
}

async fn say(out: &mut tokio::io::Stdout, value: &impl Serialize) -> Result<()> {
    let line = serde_json::to_string(value)? + "\n";
    out.write_all(line.as_bytes()).await?;
    Ok(out.flush().await?)
}
