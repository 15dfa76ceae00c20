//! What a failure advises to set, set: the mail goes.

mod certificates;
mod handshakes;
mod sessions;

use std::fmt::Write as _;

use posthaste::{
    api::client::pb::{self, relay_failure::Reason},
    testrelay::{TestRelay, ca::Ca},
};
use tempfile::TempDir;

use crate::service::{Service, mail, request};

/// A relay that a mail does not go to as it is configured.
struct Case {
    relay: TestRelay,
    /// Settings of the relay, beside host and port.
    settings: String,
    folder: TempDir,
}

impl Case {
    fn new(relay: TestRelay) -> Self {
        Self {
            relay,
            settings: String::new(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn with(mut self, setting: &str, value: &str) -> Self {
        writeln!(self.settings, "relays.primary.{setting} = {value}").unwrap();
        self
    }

    fn trusting(self, ca: &Ca) -> Self {
        let file = self.file("ca.pem", &ca.pem());
        self.with("tls.ca_file", &format!("{file:?}"))
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    async fn send(&self, more: &[(&str, &str)]) -> Result<pb::SendMailResponse, pb::SendError> {
        let toml = format!(
            "relays.primary.host = \"localhost\"\nrelays.primary.port = {}\n{}",
            self.relay.port(),
            self.settings
        );
        let service = Service::start_with(&toml, more).await;
        service.send(request(mail(&["bob@example.net"]))).await
    }

    /// Fails with `reason`, and no more once the setting that a remedy names
    /// has the value that it names.
    async fn is_mended(&self, reason: Reason, setting: &str) {
        self.is_mended_with(reason, &[(setting, "")]).await;
    }

    /// The same with values that a remedy cannot know, such as a file, and
    /// with what belongs to its setting.
    async fn is_mended_with(&self, reason: Reason, settings: &[(&str, &str)]) {
        let error = self.send(&[]).await.unwrap_err();
        let failure = error.failure.unwrap();
        assert_eq!(failure.reason(), reason, "{}", failure.summary);

        let keys = settings
            .iter()
            .map(|(setting, _)| format!("relays.primary.{setting}"));
        let keys: Vec<_> = keys.collect();
        // A remedy may name a section as a whole.
        let names = |it: &&pb::Remedy| !it.setting.is_empty() && keys[0].starts_with(&it.setting);
        let remedy = failure.remedies.iter().find(names);
        let remedy = remedy.unwrap_or_else(|| panic!("{keys:?}: {:?}", failure.remedies));
        let values = settings.iter().map(|(_, value)| match *value {
            "" => remedy.value.as_str(),
            value => value,
        });
        let more: Vec<_> = keys.iter().map(String::as_str).zip(values).collect();
        let sent = self.send(&more).await;
        let sent = sent.unwrap_or_else(|error| panic!("{reason:?}: {more:?}: {error:?}"));
        assert_eq!(sent.accepted_count, 1);
    }
}
