//! The program `posthaste-faultd`, and its manifest as a client reads it.

use std::{path::PathBuf, process::Stdio, time::Duration};

use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) host: String,
    pub(super) ip: String,
    pub(super) login: Login,
    pub(super) files: Files,
    pub(super) pin: String,
    pub(super) cases: Vec<Entry>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Files {
    pub(super) ca: PathBuf,
    pub(super) crl: PathBuf,
    pub(super) client_certificate: PathBuf,
    pub(super) client_key: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) mode: String,
    pub(super) reason: Option<String>,
    pub(super) stages: Vec<String>,
    pub(super) accepts: Vec<String>,
    pub(super) needs: Vec<String>,
    pub(super) max_seconds: Option<u64>,
}

impl Manifest {
    pub(super) fn port(&self, name: &str) -> u16 {
        let case = self.cases.iter().find(|case| case.name == name);
        case.unwrap().port
    }
}

/// The program, serving on free ports. It is killed when this is dropped.
pub(super) struct Faultd {
    pub(super) manifest: Manifest,
    program: Child,
    _folder: TempDir,
}

pub(super) fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_posthaste-faultd"));
    program.kill_on_drop(true);
    program
}

impl Faultd {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut program = program()
            .args(["serve", "--base-port", "0", "--state"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap();
        let line = line.unwrap().unwrap();
        let (start, manifest) = line.split_once(" cases, ").unwrap();
        assert!(start.starts_with("ready: "), "{line}");
        let manifest = std::fs::read(manifest).unwrap();
        Self {
            manifest: serde_json::from_slice(&manifest).unwrap(),
            program,
            _folder: folder,
        }
    }

    /// Stops by SIGTERM.
    pub(super) async fn stop(mut self) {
        let id = self.program.id().unwrap().to_string();
        let killed = Command::new("kill").arg(id).status().await.unwrap();
        assert!(killed.success());
        let status = timeout(PATIENCE, self.program.wait()).await.unwrap();
        assert!(status.unwrap().success());
    }
}
