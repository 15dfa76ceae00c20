//! What a failure advises to set, set: the mail goes.

mod certificates;
mod handshakes;
mod logins;
mod ports;
mod sessions;

use std::{fmt::Write as _, net::Ipv4Addr};

use posthaste::{
    api::client::pb::{self, relay_failure::Reason},
    testrelay::{TestRelay, ca::Ca},
};
use tempfile::TempDir;

use crate::service::{Service, mail, request};

type Outcome = Result<pb::SendMailResponse, pb::SendError>;

/// A relay that a mail does not go to as it is configured.
struct Case {
    relay: TestRelay,
    host: String,
    /// Settings of the relay, beside host and port.
    settings: String,
    folder: TempDir,
}

impl Case {
    fn new(relay: TestRelay) -> Self {
        Self {
            relay,
            host: "localhost".into(),
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

    /// At an IP address, where another relay can be at a port that is usual.
    fn at(mut self, ip: Ipv4Addr) -> Self {
        self.host = ip.to_string();
        self
    }

    async fn start(&self, more: &[(&str, &str)]) -> Service {
        let toml = format!(
            "relays.primary.host = \"{}\"\nrelays.primary.port = {}\n{}",
            self.host,
            self.relay.port(),
            self.settings
        );
        Service::start_with(&toml, more).await
    }

    async fn send(&self, more: &[(&str, &str)]) -> Outcome {
        one_mail(&self.start(more).await).await
    }

    /// Fails with `reason`, and no more once the setting that a remedy names
    /// has the value that it names.
    async fn is_mended(&self, reason: Reason, setting: &str) {
        self.is_mended_with(reason, &[(setting, "")]).await;
    }

    /// The same with values that a remedy cannot know, such as a file, and
    /// with what belongs to its setting.
    async fn is_mended_with(&self, reason: Reason, settings: &[(&str, &str)]) {
        self.is_mended_for(one_mail, reason, settings).await;
    }

    /// The same for mails that are sent in a way of their own.
    async fn is_mended_for(
        &self,
        send: impl AsyncFn(&Service) -> Outcome,
        reason: Reason,
        settings: &[(&str, &str)],
    ) {
        let error = send(&self.start(&[]).await).await.unwrap_err();
        let failure = error.failure.unwrap();
        assert_eq!(failure.reason(), reason, "{}", failure.summary);

        let keys = settings
            .iter()
            .map(|(setting, _)| format!("relays.primary.{setting}"));
        let keys: Vec<_> = keys.collect();
        naming(&failure, &keys[0]);
        let values = keys.iter().zip(settings).map(|(key, (_, value))| {
            if value.is_empty() {
                naming(&failure, key).value.as_str()
            } else {
                value
            }
        });
        let more: Vec<_> = keys.iter().map(String::as_str).zip(values).collect();
        let outcome = send(&self.start(&more).await).await;
        let taken = outcome.unwrap_or_else(|error| panic!("{reason:?}: {more:?}: {error:?}"));
        assert_eq!(taken.accepted_count, 1);
    }
}

async fn one_mail(service: &Service) -> Outcome {
    service.send(request(mail(&["bob@example.net"]))).await
}

/// The remedy that names the setting `key`, or the section that it is in.
fn naming<'a>(failure: &'a pb::RelayFailure, key: &str) -> &'a pb::Remedy {
    let names = |it: &&pb::Remedy| !it.setting.is_empty() && key.starts_with(&it.setting);
    let remedy = failure.remedies.iter().find(names);
    remedy.unwrap_or_else(|| panic!("{key}: {:?}", failure.remedies))
}
