//! What the program holds in memory: the requests as they came, and little
//! beside them.

use std::{process::Stdio, time::Duration};

use bytes::Bytes;
use posthaste::{
    api::client::{Client, pb},
    testrelay::{Answer, Script, Step, TestRelay},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::service::{mail, request};

const PATIENCE: Duration = Duration::from_mins(1);

/// Mails at the same time.
const MAILS: usize = 20;

/// Each has one file of this size.
const FILE_BYTES: usize = 10 * 1024 * 1024;

/// `posthaste serve` with one relay, in a process of its own.
struct Program {
    endpoint: String,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Program {
    async fn start(relay: &TestRelay) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("posthaste.toml");
        let toml = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n\
             [relays.primary]\nhost = \"127.0.0.1\"\nport = {}\ntls.mode = \"plaintext\"\n\
             pool.max_connections = {MAILS}\n",
            relay.port()
        );
        std::fs::write(&config, toml).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_posthaste"))
            .args(["serve", "--config"])
            .arg(config)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let listening = async {
            loop {
                let line = lines.next_line().await.unwrap().unwrap();
                if let Some((_, address)) = line.split_once("listening on ") {
                    return address.split(['"', ' ']).next().unwrap().to_owned();
                }
            }
        };
        let address = timeout(PATIENCE, listening).await.unwrap();
        // It blocks once nobody reads what it says.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            endpoint: format!("http://{address}"),
            process,
            _folder: folder,
        }
    }

    /// A line of `/proc/PID/status`, in bytes.
    fn memory(&self, name: &str) -> usize {
        let id = self.process.id().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let kib = line.split_whitespace().nth(1).unwrap();
        kib.parse::<usize>().unwrap() * 1024
    }
}

fn with_file(content: Bytes) -> pb::SendMailRequest {
    let mut mail = mail(&["bob@example.net"]);
    if let Some(pb::mail::Content::Message(message)) = &mut mail.content {
        message.attachments.push(pb::Attachment {
            content,
            ..pb::Attachment::default()
        });
    }
    request(mail)
}

/// The most memory that the program has had, over what it has when idle, while
/// it sends all mails at the same time, which came over so many connections.
async fn peak(connections: usize) -> usize {
    // The relay takes no octet of them, so that all are under way at the end.
    let frozen = Answer::reply("354 go ahead").then(Answer::freeze());
    let script = Script::new().at(Step::Data, frozen);
    let relay = TestRelay::builder()
        .extensions(["PIPELINING"])
        .script(script)
        .start()
        .await
        .unwrap();
    let program = Program::start(&relay).await;
    let idle = program.memory("VmRSS:");

    let content: Bytes = (0..=255).cycle().take(FILE_BYTES).collect();
    let mut calls = Vec::new();
    for _ in 0..connections {
        let client = Client::connect(&program.endpoint).await.unwrap();
        for _ in 0..MAILS / connections {
            let (mut client, content) = (client.clone(), content.clone());
            calls.push(tokio::spawn(async move {
                client.send(with_file(content), None).await
            }));
        }
    }
    let begun = || {
        let commands = relay.commands();
        let data = commands.iter().filter(|command| command.line == "DATA");
        data.count()
    };
    let all_begun = async {
        while begun() < MAILS {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, all_begun).await.unwrap();
    assert!(calls.iter().all(|call| !call.is_finished()));
    program.memory("VmHWM:") - idle
}

/// At most 1.3 of what the requests hold.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_mails_of_ten_mebibytes_take_little_more_than_their_own_size() {
    let payload = MAILS * FILE_BYTES;
    for connections in [1, MAILS] {
        let peak = peak(connections).await;
        assert!(
            (payload..payload / 10 * 13).contains(&peak),
            "{peak} bytes for {payload} over {connections} connections"
        );
    }
}
