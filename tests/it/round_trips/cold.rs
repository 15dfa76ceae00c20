//! Round trips of a mail on a fresh connection, with those of TCP and TLS.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use posthaste::{
    smtp::Credentials,
    testrelay::{Builder, Tls, ca::Ca},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
};

use super::*;

/// How often the client had to wait for the relay: for the connection and the
/// greeting, and each time that it says something after it has heard something.
struct GoBetween {
    port: u16,
    waits: Arc<AtomicU64>,
}

impl GoBetween {
    /// Stands between one client and `relay`.
    async fn start(relay: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let waits = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&waits);
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            let relay = TcpStream::connect(("127.0.0.1", relay)).await.unwrap();
            relay.set_nodelay(true).unwrap();
            client.set_nodelay(true).unwrap();
            Box::pin(carry(client, relay, &counter)).await;
        });
        Self { port, waits }
    }
}

/// One direction at a time: who is to speak is whoever has something to say, and
/// all of it is carried before the other is heard.
async fn carry(mut client: TcpStream, mut relay: TcpStream, waits: &AtomicU64) {
    let (mut from_client, mut from_relay) = ([0; 8192], [0; 8192]);
    let mut client_spoke = true;
    loop {
        tokio::select! {
            biased;
            count = client.read(&mut from_client) => match count {
                Ok(count) if count > 0 => {
                    client_spoke = true;
                    if relay.write_all(&from_client[..count]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
            count = relay.read(&mut from_relay) => match count {
                Ok(count) if count > 0 => {
                    if std::mem::take(&mut client_spoke) {
                        waits.fetch_add(1, Ordering::SeqCst);
                    }
                    if client.write_all(&from_relay[..count]).await.is_err() {
                        return;
                    }
                }
                _ => {
                    // What the client still says is of no account.
                    let _ = copy(&mut client, &mut relay).await;
                    return;
                }
            },
        }
    }
}

/// Opens a session, with AUTH PLAIN, and sends one mail. The round trips.
async fn of_a_cold_mail(relay: Builder, ca: &Ca, mode: TlsMode, transactions: Transactions) -> u64 {
    let relay = relay
        .extensions(["PIPELINING", "CHUNKING"])
        .auth("ada", "secret")
        .mechanisms([posthaste::testrelay::Mechanism::Plain])
        .require_auth()
        .require_tls()
        .start()
        .await
        .unwrap();
    let between = GoBetween::start(relay.port()).await;
    let base = target(between.port);
    let settings = tls::Settings {
        system_roots: Some(false),
        trust_anchors: Some(vec![ca.der()]),
        ..tls::Settings::default()
    };
    let roots = tls::SystemRoots::bundled();
    let target = Target {
        mode,
        transactions,
        tls: tls::Connector::new(&settings, &base.host.to_server_name(), &roots).unwrap(),
        credentials: Some(Credentials::Password {
            username: "ada".into(),
            password: "secret".into(),
        }),
        ..base
    };
    let mut session = Session::open(&target, &Progress::default()).await.unwrap();
    let (envelope, body) = (envelope(10), body());
    let transaction = Transaction {
        envelope: &envelope,
        body: &body,
        policy: RecipientPolicy::Any,
    };
    session
        .send(transaction, &Progress::default())
        .await
        .unwrap();
    let facts = session.facts();
    let version = facts.tls.unwrap().version;
    assert_eq!(version, Some(posthaste::report::TlsVersion::Tls13));
    // TCP has one before anything is said.
    1 + between.waits.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_cold_mail_takes_as_few_as_the_standards_allow() {
    let ca = Ca::new("Round trip CA");
    // Tickets would come unasked in between.
    let tls = || Tls::new(ca.server("127.0.0.1")).without_resumption();
    for (mode, transactions, most) in [
        (TlsMode::Starttls, EAGER, 8),
        (TlsMode::Implicit, EAGER, 6),
        (TlsMode::Starttls, STANDARD, 9),
        (TlsMode::Implicit, STANDARD, 7),
    ] {
        let relay = TestRelay::builder().tls(tls());
        let relay = match mode {
            TlsMode::Implicit => relay.implicit_tls(),
            _ => relay,
        };
        let found = of_a_cold_mail(relay, &ca, mode, transactions).await;
        assert_eq!(found, most, "{mode:?} {transactions:?}");
    }
}
