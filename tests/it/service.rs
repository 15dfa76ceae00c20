//! The service, started in this process, with a client.

use std::time::Duration;

use posthaste::{
    api::client::{Client, pb},
    config::{self, Sources},
    server,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// A service that stops when this is dropped.
pub(crate) struct Service {
    pub(crate) endpoint: String,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<(), server::ServeError>>,
}

impl Service {
    /// Starts with a configuration in TOML.
    pub(crate) async fn start(toml: &str) -> Self {
        Self::start_with(toml, &[]).await
    }

    /// As above, with settings as `--set` takes them.
    pub(crate) async fn start_with(toml: &str, overrides: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("posthaste.toml");
        std::fs::write(&file, toml).unwrap();
        let config = config::load(&Sources {
            file: Some(file),
            overrides: overrides
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            ..Sources::default()
        })
        .unwrap_or_else(|error| panic!("{error}\n{toml}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server::run(config, listener, async {
            let _dropped = stopped.await;
        }));
        Self {
            endpoint,
            stop: Some(stop),
            serving,
        }
    }

    /// A service whose callers may name any relay on this machine. It trusts
    /// the CA with the certificate `ca`; with nothing, the system's.
    pub(crate) async fn for_custom_relays(ca: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let mut toml = String::new();
        if !ca.is_empty() {
            std::fs::write(&file, ca).unwrap();
            toml = format!("tls.ca_file = \"{}\"\n", file.display());
        }
        toml.push_str(
            "custom_relays.allow = [{ host = \"localhost\" }, { host = \"127.0.0.1\" }]\n\
             custom_relays.allow_tls_options = [\"mode\"]\n",
        );
        Self::start(&toml).await
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.endpoint).await.unwrap()
    }

    /// Sends one mail over a connection of its own.
    pub(crate) async fn send(
        &self,
        request: pb::SendMailRequest,
    ) -> Result<pb::SendMailResponse, pb::SendError> {
        self.client()
            .await
            .send(request, Some(Duration::from_secs(20)))
            .await
    }

    /// Stops as SIGTERM does, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.serving).await.unwrap().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(crate) fn address(email: &str) -> pb::Address {
    pb::Address {
        email: email.into(),
        display_name: String::new(),
    }
}

/// A small mail to `to`.
pub(crate) fn mail(to: &[&str]) -> pb::Mail {
    let message = pb::Message {
        from_address: Some(address("ada@example.org")),
        to: to.iter().map(|to| address(to)).collect(),
        subject: "Hello".into(),
        text: "Hello, world.".into(),
        ..pb::Message::default()
    };
    pb::Mail {
        content: Some(pb::mail::Content::Message(message)),
        ..pb::Mail::default()
    }
}

/// The same through a relay at `localhost`.
pub(crate) fn mail_through(port: u16, mode: pb::TlsMode, to: &[&str]) -> pb::Mail {
    let custom = pb::CustomRelay {
        host: "localhost".into(),
        port: port.into(),
        credentials: None,
    };
    pb::Mail {
        relay: Some(pb::RelayTarget {
            target: Some(pb::relay_target::Target::Custom(custom)),
        }),
        tls: Some(pb::TlsOptions {
            mode: mode.into(),
            ..pb::TlsOptions::default()
        }),
        ..mail(to)
    }
}

pub(crate) fn request(mail: pb::Mail) -> pb::SendMailRequest {
    pb::SendMailRequest {
        mail: Some(mail),
        ..pb::SendMailRequest::default()
    }
}
