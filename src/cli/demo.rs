//! `posthaste demo`: everything in one process, to be looked at and tried.

use std::{
    fmt::Write as _,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use tokio::{net::TcpListener, sync::oneshot};

use super::{serve, show};
use crate::{
    api::client::{Client, ConnectError, pb},
    config::{self, Sources},
    server::{self, ServeError},
    telemetry,
    testrelay::{
        StartError, TestRelay,
        ca::{Ca, Leaf},
    },
};

/// Try it: a service, three relays and three mails in one process.
///
/// The relays listen on free ports of 127.0.0.1 and take all mail: one by
/// STARTTLS, one by implicit TLS, and one whose certificate has expired. Mails
/// are kept as .eml files, beside the service's configuration.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the service listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50051")]
    listen: SocketAddr,
    /// Where mails are kept.
    #[arg(long, value_name = "FOLDER", default_value = "demo-mail")]
    keep: PathBuf,
    /// Exit after the three mails, instead of staying up until Ctrl-C.
    #[arg(long)]
    once: bool,
}

#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("cannot write to {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot start a relay")]
    Relay(#[from] StartError),
    #[error("the configuration is not valid")]
    Config(#[from] config::ConfigError),
    #[error("cannot listen on {address}: try another one with --listen")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot start")]
    Runtime(#[from] io::Error),
    #[error(transparent)]
    Log(#[from] telemetry::BadFilter),
    #[error("cannot reach the service")]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("not every mail fared as it should")]
    Surprise,
}

/// Runs the demo.
pub fn run(args: &Args) -> ExitCode {
    match demo(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            show::complain(&error);
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn demo(args: &Args) -> Result<(), DemoError> {
    telemetry::start("warn", telemetry::Format::Text)?;
    let relays = Relays::start(&args.keep).await?;
    let file = relays.configure(&args.keep)?;
    let config = config::load(&Sources {
        file: Some(file.clone()),
        ..Sources::default()
    })?;

    let address = args.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| DemoError::Listen { address, source })?;
    let address = listener.local_addr()?;
    let stop = serve::told_to_stop()?;
    let (finish, finished) = oneshot::channel::<()>();
    let serving = tokio::spawn(server::run(config, listener, async {
        // Dropped or sent: the demo is over either way.
        let _ = finished.await;
    }));

    show::out(&relays.introduction(address, &file));
    let mut client = Client::connect(&address.to_string()).await?;
    let mut as_expected = true;
    for (number, (name, about)) in Relays::ABOUT.into_iter().enumerate() {
        show::out(&format!(
            "\n{}. A mail through `{name}`, {about}",
            number + 1
        ));
        let answer = client.send(mail(name), None).await;
        as_expected &= answer.is_ok() == (name != Relays::BROKEN);
        show::out(&match answer {
            Ok(response) => show::sent(&response),
            Err(error) => show::failed(&error),
        });
    }
    show::out(&format!("\nThe mails are in {}.", args.keep.display()));
    if !args.once {
        show::out(&invitation(address));
        stop.await;
    }
    drop(client);
    drop(finish);
    if let Ok(result) = serving.await {
        result?;
    }
    if as_expected {
        Ok(())
    } else {
        Err(DemoError::Surprise)
    }
}

struct Relays {
    ca: Ca,
    starttls: TestRelay,
    implicit: TestRelay,
    expired: TestRelay,
}

impl Relays {
    const ABOUT: [(&str, &str); 3] = [
        ("starttls", "which starts TLS by STARTTLS, as on port 587"),
        (
            "implicit",
            "which speaks TLS from the first byte, as on port 465",
        ),
        (Self::BROKEN, "whose certificate ran out"),
    ];
    const BROKEN: &str = "expired";

    async fn start(folder: &Path) -> Result<Self, DemoError> {
        let ca = Ca::new("posthaste demo CA");
        let relay = |name: &str| TestRelay::builder().name(name).keep_in(folder);
        Ok(Self {
            starttls: relay("starttls.localhost")
                .tls(ca.server("localhost"))
                .require_tls()
                .start()
                .await?,
            implicit: relay("implicit.localhost")
                .tls(ca.server("localhost"))
                .implicit_tls()
                .start()
                .await?,
            expired: relay("expired.localhost")
                .tls(ca.issue(Leaf::new(["localhost"]).expired()))
                .start()
                .await?,
            ca,
        })
    }

    /// Writes the service's configuration as an operator would.
    fn configure(&self, folder: &Path) -> Result<PathBuf, DemoError> {
        let toml = format!(
            "default_relay = \"starttls\"\n\n\
             [tls]\nca_file = \"ca.pem\"\n\n\
             [relays.starttls]\nhost = \"localhost\"\nport = {}\n\n\
             [relays.implicit]\nhost = \"localhost\"\nport = {}\ntls.mode = \"implicit\"\n\n\
             [relays.expired]\nhost = \"localhost\"\nport = {}\n",
            self.starttls.port(),
            self.implicit.port(),
            self.expired.port(),
        );
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(&path, text))
                .map(|()| path.clone())
                .map_err(|source| DemoError::Write { path, source })
        };
        write("ca.pem", &self.ca.pem())?;
        write("posthaste.toml", &toml)
    }

    fn introduction(&self, address: SocketAddr, file: &Path) -> String {
        let mut text = format!(
            "posthaste serves gRPC on {address}, set up by {}\n",
            file.display()
        );
        let ports = [&self.starttls, &self.implicit, &self.expired].map(TestRelay::port);
        for ((name, about), port) in Self::ABOUT.into_iter().zip(ports) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  relay `{name}` at localhost:{port}, {about}");
        }
        text
    }
}

fn mail(relay: &str) -> pb::SendMailRequest {
    let address = |email: &str, name: &str| pb::Address {
        email: email.into(),
        display_name: name.into(),
    };
    let message = pb::Message {
        from_address: Some(address("ada@example.org", "Ada Lovelace")),
        to: vec![address("charles@example.net", "Charles Babbage")],
        subject: "Grüße from the Analytical Engine".into(),
        text: "It might act upon other things besides number.\n".into(),
        html: "<p>It might act upon other things besides <em>number</em>.</p>\n".into(),
        ..pb::Message::default()
    };
    pb::SendMailRequest {
        mail: Some(pb::Mail {
            content: Some(pb::mail::Content::Message(message)),
            relay: Some(pb::RelayTarget {
                target: Some(pb::relay_target::Target::Name(relay.into())),
            }),
            ..pb::Mail::default()
        }),
        ..pb::SendMailRequest::default()
    }
}

fn invitation(address: SocketAddr) -> String {
    format!(
        "\nTry it from another shell:\n\n  \
         posthaste send --endpoint http://{address} --relay implicit \\\n    \
         --from ada@example.org --to charles@example.net --subject Hello --text Hi\n  \
         grpcurl -plaintext {address} posthaste.v1.RelayService/ListRelays\n\n\
         Ctrl-C stops."
    )
}
