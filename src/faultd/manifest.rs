//! What is told of the cases, in JSON and as a table.

use std::{
    fmt::Write as _,
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    case::{Case, Need},
    cases::{PASSWORD, USER},
    recipients::RECIPIENTS,
};
use crate::report::Reason;

/// All that a client has to know.
#[derive(Debug, Serialize)]
pub(super) struct Manifest {
    /// The name that the certificates are for.
    host: String,
    /// The address that the ports are at.
    ip: IpAddr,
    login: Login,
    /// What was written for clients. `None`: nothing was.
    files: Option<Files>,
    /// The key that a client pins for the cases that need a pin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    cases: Vec<Entry>,
    recipients: Vec<RecipientEntry>,
}

#[derive(Debug, Serialize)]
struct Login {
    username: &'static str,
    password: &'static str,
}

/// Files for clients, as absolute paths.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Files {
    /// The root that clients trust.
    pub(super) ca: PathBuf,
    /// The revocation lists.
    pub(super) crl: PathBuf,
    /// The certificate that a client shows.
    pub(super) client_certificate: PathBuf,
    /// Its key.
    pub(super) client_key: PathBuf,
}

impl Files {
    /// In this folder.
    pub(super) fn within(folder: &Path) -> Self {
        Self {
            ca: folder.join("ca.pem"),
            crl: folder.join("crl.pem"),
            client_certificate: folder.join("client.pem"),
            client_key: folder.join("client-key.pem"),
        }
    }
}

/// A case, as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// `implicit`, `starttls` or `plaintext`.
    mode: String,
    about: &'static str,
    /// `null`: the mail is taken.
    reason: Option<&'static str>,
    stages: Vec<&'static str>,
    accepts: Vec<&'static str>,
    probed: bool,
    passive: Option<&'static str>,
    needs: Vec<Need>,
    max_seconds: Option<u32>,
}

#[derive(Debug, Serialize)]
struct RecipientEntry {
    local_part: &'static str,
    about: &'static str,
}

impl Entry {
    /// The case, on this port.
    pub(super) fn new(case: &Case, port: Option<u16>) -> Self {
        Self {
            name: case.name.clone(),
            port,
            mode: case.mode.to_string(),
            about: case.about,
            reason: case.reason.map(Reason::name),
            stages: case.stages.iter().map(|it| it.name()).collect(),
            accepts: case.accepts.iter().map(|it| it.name()).collect(),
            probed: case.is_probed(),
            passive: case.passive.map(Reason::name),
            needs: case.needs.clone(),
            max_seconds: case.max_seconds,
        }
    }
}

impl Manifest {
    /// Of these cases.
    pub(super) fn new(
        host: &str,
        ip: IpAddr,
        cases: Vec<Entry>,
        pin: Option<String>,
        files: Option<Files>,
    ) -> Self {
        let recipients = RECIPIENTS.iter().map(|it| RecipientEntry {
            local_part: it.local_part,
            about: it.about,
        });
        Self {
            host: host.to_owned(),
            ip,
            login: Login {
                username: USER,
                password: PASSWORD,
            },
            files,
            pin,
            cases,
            recipients: recipients.collect(),
        }
    }
}

/// The cases in columns, for people.
pub(super) fn table(cases: &[Case]) -> String {
    let mut text = String::new();
    let width = |it: fn(&Case) -> usize| cases.iter().map(it).max().unwrap_or_default();
    let names = width(|case| case.name.len());
    let reasons = width(|case| outcome(case).len());
    for case in cases {
        let mode = case.mode.to_string();
        let (name, about) = (&case.name, case.about);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name:names$}  {mode:9}  {:reasons$}  {about}",
            outcome(case)
        );
    }
    text
}

/// The recipients in columns.
pub(super) fn table_of_recipients() -> String {
    let mut text = String::new();
    for it in RECIPIENTS {
        let _ = writeln!(text, "{:24}  {}", format!("{}@", it.local_part), it.about);
    }
    text
}

/// The table of cases in docs/faultd.md.
pub fn markdown(cases: &[Case]) -> String {
    let mut text = "| case | mode | reason | what it stages |\n|---|---|---|---|\n".to_owned();
    for case in cases {
        let mut reason = match case.reason {
            None => "none: the mail is taken".to_owned(),
            Some(reason) => format!("[{0}](failures/{0}.md)", reason.name()),
        };
        for other in &case.accepts {
            let _ = write!(reason, " or {}", other.name());
        }
        let needs: Vec<_> = case.needs.iter().map(|need| need.about()).collect();
        let needs = if needs.is_empty() {
            String::new()
        } else {
            format!(" (needs {})", needs.join(" and "))
        };
        let (name, mode, about) = (&case.name, case.mode, case.about);
        let _ = writeln!(text, "| `{name}` | {mode} | {reason} | {about}{needs} |");
    }
    text
}

/// The table of recipients in docs/faultd.md.
pub fn markdown_of_recipients() -> String {
    let mut text = "| recipient | what the relay does |\n|---|---|\n".to_owned();
    for it in RECIPIENTS {
        let _ = writeln!(text, "| `{}@` | {} |", it.local_part, it.about);
    }
    text
}

fn outcome(case: &Case) -> &'static str {
    case.reason.map_or("-", Reason::name)
}
