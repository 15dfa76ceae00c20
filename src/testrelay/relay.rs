//! What all sessions of a relay share.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustls::ServerConfig;
use tokio::io::AsyncWriteExt as _;

use super::{
    Mail, Mechanism, magic::Magic, meter::Meters, record::Record, sasl::Accounts, script::Playback,
    tls::Tamper,
};

#[derive(Debug)]
pub(super) struct Relay {
    pub(super) settings: Settings,
    pub(super) security: Security,
    pub(super) record: Record,
    pub(super) magic: Option<Magic>,
    playback: Mutex<Playback>,
    sessions: AtomicU64,
    mails: AtomicU64,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) extensions: Extensions,
    pub(super) accounts: Accounts,
    pub(super) mechanisms: Vec<Mechanism>,
    pub(super) scram_iterations: u32,
    /// The hash of the certificate, for channel binding (RFC 5929 section 4).
    pub(super) end_point: Vec<u8>,
    /// What happens to the records of handshakes on their way.
    pub(super) tamper: Option<Tamper>,
    /// The types of channel binding to know, instead of all.
    pub(super) channel_bindings: Option<Vec<String>>,
    pub(super) auth_in_plaintext: bool,
    pub(super) require_tls: bool,
    pub(super) require_auth: bool,
    /// The only names that clients may have, instead of any.
    pub(super) clients: Option<Vec<String>>,
    pub(super) lenient: bool,
    /// Whether a chunk that is refused is read as commands.
    pub(super) reads_refused_chunks: bool,
    pub(super) most_recipients: usize,
    pub(super) idle_limit: Duration,
    pub(super) folder: Option<PathBuf>,
}

/// Whether and when TLS starts.
#[derive(Clone, Debug)]
pub(super) enum Security {
    Plaintext,
    StartTls(Arc<ServerConfig>),
    Implicit(Arc<ServerConfig>),
}

impl Relay {
    pub(super) fn new(
        settings: Settings,
        security: Security,
        record: Record,
        playback: Playback,
        magic: Option<Magic>,
    ) -> Self {
        Self {
            settings,
            security,
            record,
            magic,
            playback: Mutex::new(playback),
            sessions: AtomicU64::new(0),
            mails: AtomicU64::new(0),
        }
    }

    pub(super) fn playback(&self) -> MutexGuard<'_, Playback> {
        self.playback.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next_session_number(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn next_mail_number(&self) -> u64 {
        self.mails.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Takes a mail for good.
    pub(super) async fn take(&self, mail: Mail, number: u64, meters: &Meters) -> io::Result<()> {
        if let Some(folder) = &self.settings.folder {
            self.write(folder, number, &mail.bytes).await?;
        }
        meters.mail();
        self.record.mail(mail);
        Ok(())
    }

    /// Writes `NAME-NUMBER.eml`, and never over another file.
    async fn write(&self, folder: &std::path::Path, number: u64, bytes: &[u8]) -> io::Result<()> {
        tokio::fs::create_dir_all(folder).await?;
        for number in number..=u64::MAX {
            let path = folder.join(format!("{}-{number:04}.eml", self.settings.name));
            match tokio::fs::File::create_new(path).await {
                Ok(mut file) => {
                    file.write_all(bytes).await?;
                    return file.flush().await;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// The lines that EHLO offers, but for STARTTLS and AUTH.
#[derive(Clone, Debug)]
pub(super) struct Extensions(Vec<String>);

impl Extensions {
    pub(super) fn new<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        Self(lines.into_iter().map(str::to_owned).collect())
    }

    pub(super) fn has(&self, keyword: &str) -> bool {
        self.find(keyword).is_some()
    }

    /// The largest message. Without SIZE, or with one of 0, the relay's own
    /// bound (RFC 1870 section 3).
    pub(super) fn size_limit(&self) -> usize {
        const LARGEST: usize = 256 * 1024 * 1024;
        match self.find("SIZE").and_then(|it| it.trim().parse().ok()) {
            None | Some(0) => LARGEST,
            Some(size) => LARGEST.min(size),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The parameters of a keyword.
    fn find(&self, keyword: &str) -> Option<&str> {
        self.iter().find_map(|line| {
            let (name, parameters) = line.split_once(' ').unwrap_or((line, ""));
            name.eq_ignore_ascii_case(keyword).then_some(parameters)
        })
    }
}
