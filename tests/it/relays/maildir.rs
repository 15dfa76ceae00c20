//! The Maildir, and what Python's `email` makes of the mails in it.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use serde::Deserialize;

use super::fixture::Relay;

const DELIVERY_LIMIT: Duration = Duration::from_secs(20);

/// A mail as a relay delivered it: `Return-Path`, `Delivered-To`, `Received` and
/// the like stand before what was sent.
pub(super) struct Delivered {
    pub(super) bytes: Vec<u8>,
    path: PathBuf,
}

/// What `tests/python/read_mail.py` prints.
#[derive(Debug, Deserialize)]
pub(super) struct Parsed {
    pub(super) headers: Vec<(String, String)>,
    pub(super) from: Vec<(String, String)>,
    pub(super) to: Vec<(String, String)>,
    pub(super) cc: Vec<(String, String)>,
    pub(super) reply_to: Vec<(String, String)>,
    pub(super) parts: Vec<Part>,
    /// What the parser found wrong, anywhere in the mail.
    pub(super) defects: Vec<String>,
}

/// One leaf of the MIME tree.
#[derive(Debug, Deserialize)]
pub(super) struct Part {
    pub(super) content_type: String,
    pub(super) disposition: Option<String>,
    pub(super) filename: Option<String>,
    pub(super) content_id: Option<String>,
    /// Decoded, as hexadecimal.
    content: String,
}

impl Part {
    pub(super) fn content(&self) -> Vec<u8> {
        self.content
            .as_bytes()
            .chunks(2)
            .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
            .collect()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.content()).unwrap()
    }
}

impl Parsed {
    /// The only field of that name, decoded.
    pub(super) fn header(&self, name: &str) -> &str {
        let fields = self.all(name);
        assert_eq!(fields.len(), 1, "{name} in {:?}", self.headers);
        fields[0]
    }

    /// Every field of that name, decoded.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(super) fn part(&self, content_type: &str) -> &Part {
        self.parts
            .iter()
            .find(|part| part.content_type == content_type)
            .unwrap_or_else(|| panic!("no {content_type} in {:?}", self.parts))
    }
}

impl Relay {
    /// Waits until a mail to `recipient` is in the Maildir. Each test has
    /// recipients of its own.
    pub(super) async fn delivered(&self, recipient: &str) -> Delivered {
        let deadline = Instant::now() + DELIVERY_LIMIT;
        loop {
            if let Some(delivered) = self.find(recipient) {
                return delivered;
            }
            assert!(
                Instant::now() < deadline,
                "nothing came for {recipient} within {DELIVERY_LIMIT:?}:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A mail to `recipient` that is there already.
    pub(super) fn find(&self, recipient: &str) -> Option<Delivered> {
        let field = format!("Delivered-To: {recipient}");
        // Relays make the Maildir at the first delivery.
        let files = fs::read_dir(self.maildir.join("new")).ok()?;
        files.map(|file| file.unwrap().path()).find_map(|path| {
            let bytes = fs::read(&path).unwrap();
            // It stands at the top.
            let is_it = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)])
                .lines()
                .take_while(|line| !line.is_empty())
                .any(|line| line == field);
            is_it.then_some(Delivered { bytes, path })
        })
    }
}

impl Delivered {
    /// As Python reads it.
    pub(super) fn parsed(&self) -> Parsed {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/read_mail.py");
        let output = Command::new("python3")
            .arg(script)
            .arg(&self.path)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "read_mail.py: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }
}
