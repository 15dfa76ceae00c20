//! Carries a cell out, and tells what is wrong with what came of it.

use std::{sync::LazyLock, time::Duration};

use bytes::Bytes;
use posthaste::{
    mail::{Envelope, RecipientPolicy},
    relay::{AllowedHosts, Choice, CustomRelay, CustomRelays, Directory, Settings},
    report::{Acceptance, RecipientResult, RecipientState, ReplyCode, Retry, TlsMode},
    smtp::{
        Body, Credentials, Delivered, Error, Probing, Progress, Session, Target, Transaction,
        Transactions,
    },
    testrelay::{
        Mechanism, TestRelay, Tls,
        ca::{Ca, Identity},
    },
    tls,
};
use tokio::time::{Instant, timeout};

use super::{
    cell::{At, Cell, Fault, Mode, Way},
    table::{Codes, Expected},
};

/// What a relay that is silent is given.
pub(super) const SHORT: Duration = Duration::from_secs(1);
/// What a relay that is not gets, so that a busy machine fails no cell.
const LONG: Duration = Duration::from_mins(1);
/// How long a step may take over its limit.
const SLACK: u32 = 10;
/// What QUIT gets, whatever the limits are.
const QUIT_LIMIT: Duration = Duration::from_secs(2);
/// No cell may take longer, all of its steps together.
const HANGING: Duration = Duration::from_secs(100);

const QUESTION: &str = "the mail in question";

static CA: LazyLock<(Ca, Identity)> = LazyLock::new(|| {
    let ca = Ca::new("Matrix CA");
    let identity = ca.server("127.0.0.1");
    (ca, identity)
});

/// Where the mails go, but for what differs from cell to cell.
static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let custom = CustomRelay {
        host: "127.0.0.1".parse().unwrap(),
        port: 25,
        credentials: None,
    };
    let settings = Settings {
        custom: CustomRelays {
            allow: vec![AllowedHosts {
                host: "127.0.0.1".into(),
                ports: Vec::new(),
            }],
            allow_tls_options: vec![posthaste::relay::TlsOption::TrustAnchors],
            ehlo_name: "client.example.org".into(),
            ..CustomRelays::default()
        },
        ..Settings::default()
    };
    let trusting = tls::Settings {
        trust_anchors: Some(vec![CA.0.der()]),
        ..tls::Settings::default()
    };
    Directory::new(settings)
        .unwrap()
        .find(&Choice::Custom(custom), "example.org", &trusting)
        .unwrap()
});

/// What came of the mail in question.
#[derive(Debug)]
struct Found {
    /// As in the table.
    facts: [String; 6],
    recipients: Option<Vec<String>>,
    /// What a person is told.
    summary: String,
}

/// What is wrong with `cell`, if anything is.
pub(super) async fn run(cell: Cell, expected: &Expected, codes: &Codes) -> Result<(), String> {
    timeout(HANGING, carry_out(cell, expected, codes))
        .await
        .unwrap_or_else(|_| Err(format!("it hangs: not done after {HANGING:?}")))
}

async fn carry_out(cell: Cell, expected: &Expected, codes: &Codes) -> Result<(), String> {
    let relay = start(&cell, codes).await;
    let target = Target {
        port: relay.port(),
        mode: match cell.mode {
            Mode::Plaintext => TlsMode::Plaintext,
            Mode::Starttls => TlsMode::Starttls,
            Mode::Implicit => TlsMode::Implicit,
        },
        credentials: Some(Credentials::Password {
            username: "ada".into(),
            password: "secret".into(),
        }),
        limits: cell.limits(SHORT, LONG),
        transactions: match cell.way {
            Way::Eager => Transactions::Eager,
            _ => Transactions::Standard,
        },
        // The table says what the session itself makes of it.
        probing: Probing::off(),
        ..TARGET.clone()
    };

    let mut started = Instant::now();
    let mut found = match Session::open(&target, &Progress::default()).await {
        Err(error) => {
            within_its_time(&cell, started.elapsed())?;
            Found::of(Err(error), None)?
        }
        Ok(mut session) => {
            for n in 0..cell.earlier {
                deliver(&mut session, &cell, &format!("earlier mail {n}")).await?;
            }
            if cell.earlier > 0 {
                started = Instant::now();
            }
            let outcome = send(&mut session, &cell, QUESTION).await;
            session.settle().await;
            within_its_time(&cell, started.elapsed())?;
            let again = session.is_reusable();
            if again && cell.at != At::Quit {
                deliver(&mut session, &cell, "the next mail").await?;
            }
            let quitting = Instant::now();
            session.quit().await;
            if quitting.elapsed() > QUIT_LIMIT * SLACK {
                return Err(format!("QUIT took {:?}", quitting.elapsed()));
            }
            Found::of(outcome, Some(again))?
        }
    };
    if cell.at == At::Quit {
        "-".clone_into(&mut found.facts[5]);
    }
    if !found.is(expected, &cell) {
        return Err(format!(
            "expected {expected}, found {} {:?} {}",
            found.facts.join(" "),
            found.recipients,
            found.summary
        ));
    }
    relay
        .wait_until_alone()
        .await
        .map_err(|error| error.to_string())?;
    at_the_relay(&relay, &cell, &found)
}

async fn start(cell: &Cell, codes: &Codes) -> TestRelay {
    let further = ["SIZE 1000000", "8BITMIME", "ENHANCEDSTATUSCODES"];
    let more: &[&str] = match cell.way {
        Way::Serial => &[],
        Way::Pipelining => &["PIPELINING"],
        Way::Chunking | Way::Eager => &["PIPELINING", "CHUNKING"],
    };
    let builder = TestRelay::builder()
        .extensions(further.iter().chain(more).copied())
        .auth("ada", "secret")
        .mechanisms([if cell.uses_login() {
            Mechanism::Login
        } else {
            Mechanism::Plain
        }])
        .script(cell.script(codes));
    let tls = || Tls::new(CA.1.clone()).without_resumption();
    let builder = match cell.mode {
        Mode::Plaintext => builder,
        Mode::Starttls => builder.tls(tls()).require_tls(),
        Mode::Implicit => builder.tls(tls()).implicit_tls(),
    };
    builder.start().await.unwrap()
}

async fn send(session: &mut Session, cell: &Cell, subject: &str) -> Result<Delivered, Box<Error>> {
    let envelope = Envelope {
        reverse_path: Some("ada@example.org".parse().unwrap()),
        forward_paths: (1..=cell.recipients)
            .map(|n| format!("r{n}@example.net").parse().unwrap())
            .collect(),
    };
    let body = Body::from(Bytes::from(text(subject)));
    let transaction = Transaction {
        envelope: &envelope,
        body: &body,
        policy: if cell.all {
            RecipientPolicy::All
        } else {
            RecipientPolicy::Any
        },
    };
    session.send(transaction, &Progress::default()).await
}

fn text(subject: &str) -> String {
    format!("Subject: {subject}\r\n\r\n.\r\nQUIT\r\n")
}

/// Sends a mail that must go.
async fn deliver(session: &mut Session, cell: &Cell, subject: &str) -> Result<(), String> {
    let delivered = send(session, cell, subject)
        .await
        .map_err(|error| format!("{subject}: {error}"))?;
    let accepted = |it: &RecipientResult| it.state == RecipientState::Accepted;
    if !delivered.recipients.iter().all(accepted) {
        return Err(format!("{subject}: not all recipients were accepted"));
    }
    if session.is_reusable() {
        Ok(())
    } else {
        Err(format!("{subject}: the session takes no other"))
    }
}

fn within_its_time(cell: &Cell, elapsed: Duration) -> Result<(), String> {
    let stalls = cell.fault == Fault::Stall && cell.at != At::Quit;
    if elapsed > SHORT * SLACK {
        Err(format!("it took {elapsed:?}"))
    } else if stalls && elapsed < SHORT {
        Err(format!("the relay had {elapsed:?} only"))
    } else {
        Ok(())
    }
}

impl Found {
    fn of(outcome: Result<Delivered, Box<Error>>, again: Option<bool>) -> Result<Self, String> {
        let (facts, recipients, summary) = match outcome {
            Ok(delivered) => {
                let code = delivered.reply.code.to_string();
                (
                    ["SENT".into(), "-".into(), code, "-".into(), "taken".into()],
                    delivered.recipients,
                    String::new(),
                )
            }
            Err(error) => {
                let failure = error.into_failure();
                if failure.retry_after.is_some() != (failure.retry() == Retry::Later) {
                    return Err(format!("retry after {:?}", failure.retry_after));
                }
                let code = failure.reply.as_ref().map(|reply| reply.code.to_string());
                let facts = [
                    failure.reason.name().to_owned(),
                    failure.stage.name().to_owned(),
                    code.unwrap_or_else(|| "-".into()),
                    match failure.retry() {
                        Retry::Later => "later".into(),
                        Retry::AfterFix => "after-fix".into(),
                        Retry::Never => "never".into(),
                    },
                    match failure.acceptance() {
                        Acceptance::None => "none".into(),
                        Acceptance::Unknown => "unknown".into(),
                    },
                ];
                (facts, failure.recipients, failure.summary)
            }
        };
        replies_fit(&recipients)?;
        let [outcome, at, code, retry, acceptance] = facts;
        let again_word = match again {
            None => "-",
            Some(true) => "yes",
            Some(false) => "no",
        };
        Ok(Self {
            facts: [outcome, at, code, retry, acceptance, again_word.into()],
            recipients: again.map(|_| recipients.iter().map(|it| state(it.state)).collect()),
            summary,
        })
    }

    fn is(&self, expected: &Expected, cell: &Cell) -> bool {
        let states = expected.recipients.as_ref().map(|states| {
            let state = |n| match cell.recipient() {
                Some(own) if n == own + 1 => &states.next,
                Some(own) if n != own => &states.others,
                _ => &states.its,
            };
            (1..=cell.recipients).map(|n| state(n).clone()).collect()
        });
        self.facts == expected.facts && self.recipients == states
    }
}

fn state(state: RecipientState) -> String {
    match state {
        RecipientState::Accepted => "accepted",
        RecipientState::Deferred => "deferred",
        RecipientState::Rejected => "rejected",
        RecipientState::NotSent => "not-sent",
        RecipientState::Unknown => "unknown",
    }
    .into()
}

/// Whether each recipient, in order, comes with the reply that decided it, or
/// with none.
fn replies_fit(recipients: &[RecipientResult]) -> Result<(), String> {
    for (n, recipient) in recipients.iter().enumerate() {
        let code = recipient.reply.as_ref().map(|reply| reply.code);
        let fits = match recipient.state {
            RecipientState::Accepted => code.is_some_and(ReplyCode::is_positive),
            RecipientState::Deferred => code.is_some_and(ReplyCode::is_transient),
            RecipientState::Rejected => code.is_some_and(ReplyCode::is_permanent),
            RecipientState::NotSent | RecipientState::Unknown => code.is_none(),
        };
        let address = format!("r{}@example.net", n + 1);
        if !fits || recipient.address.as_str() != address {
            return Err(format!(
                "recipient {address}: {} is {:?} with {code:?}",
                recipient.address.as_str(),
                recipient.state
            ));
        }
    }
    Ok(())
}

/// What the relay saw must bear out what was told.
fn at_the_relay(relay: &TestRelay, cell: &Cell, found: &Found) -> Result<(), String> {
    let [outcome, .., acceptance, again] = &found.facts;
    let mails: Vec<_> = relay
        .mails()
        .into_iter()
        .filter(|mail| mail.text() == text(QUESTION))
        .collect();
    let accepted: Vec<String> = (1..)
        .zip(found.recipients.iter().flatten())
        .filter(|(_, state)| *state == "accepted")
        .map(|(n, _)| format!("r{n}@example.net"))
        .collect();
    let is_so = match acceptance.as_str() {
        "taken" => mails.len() == 1 && mails[0].recipients() == accepted,
        "none" => mails.is_empty(),
        // Whether it has depends on what it does behind its answer.
        _ if cell.way == Way::Eager && cell.fault != Fault::Intermediate => mails.len() <= 1,
        // It has taken it for the others.
        _ if cell.way == Way::Eager && cell.at != At::EndOfData => mails.len() == 1,
        // It has taken all that it could.
        _ => {
            mails.len()
                == usize::from(cell.at != At::EndOfData || cell.fault != Fault::Intermediate)
        }
    };
    if !is_so {
        return Err(format!("{outcome}, and the relay has {mails:?}"));
    }
    if relay.counters().connections != 1 {
        return Err(format!("{:?}", relay.counters()));
    }

    let lines: Vec<String> = relay.commands().into_iter().map(|it| it.line).collect();
    let count = |verb: &str| lines.iter().filter(|line| line.starts_with(verb)).count();
    // But for those that came with a message.
    let resets = lines
        .windows(2)
        .filter(|pair| !pair[0].starts_with("BDAT") && pair[1] == "RSET")
        .count();
    // A line of a message must never be read as a command, and who is not to
    // be spoken to must hear nothing.
    let quits = usize::from(again == "yes" || cell.at == At::Quit);
    let most_mails = cell.earlier as usize + 1 + usize::from(again == "yes");
    let has_left = found.recipients.is_none();
    if (!has_left && count("QUIT") != quits)
        || count("QUIT") > 1
        || count("MAIL") > most_mails
        || count("EHLO") > 2
        || (again == "no" && cell.at != At::Rset && resets > 0)
    {
        return Err(format!(
            "{outcome}, again: {again}, and the relay heard {lines:#?}"
        ));
    }
    Ok(())
}
