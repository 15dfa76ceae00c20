//! A relay that plays arbitrary scripts. It knows what it took, and the
//! transcript knows what it had said: a session may claim no more than that.

use std::sync::LazyLock;

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*, sample::select};
use tokio::io::DuplexStream;

use super::{
    transcript::{Tap, Transcript},
    *,
};
use crate::{
    mail::{Envelope, RecipientPolicy},
    report::{Acceptance, Reason, RecipientState},
    smtp::{
        Body, Credentials, Delivered, Error, Transaction,
        fixture::{ROOTS, chunking, open, paused, plain, seconds, serve_over, target, usual},
    },
    testrelay::{Answer, Builder, Script, Step as At, TestRelay, Tls, ca::Ca},
    tls,
};

/// More than a session says at once, but for its message.
const WIDE: usize = 64 * 1024;

/// Each answer is one reply, or the last, so that what is heard belongs to what
/// was said.
fn one_reply() -> impl Strategy<Value = Answer> {
    let code = prop_oneof![
        select(&[220, 235, 250, 251, 252][..]),
        select(&[334, 354, 399][..]),
        select(&[421, 421, 421, 450, 452][..]),
        select(&[500, 503, 530, 550, 552, 554][..]),
        200_u16..600,
    ];
    let reply = (code, "[ -~]{0,9}", 0_usize..3).prop_map(|(code, text, more)| {
        let lines = format!("{code}-{text}\n").repeat(more);
        Answer::reply(&format!("{lines}{code} {text}"))
    });
    let offer = "(250-[a-zA-Z0-9= ]{0,12}\n){0,3}250 (AUTH PLAIN|SIZE [0-9]{1,3}|PIPELINING)"
        .prop_map(|lines| Answer::reply(&lines));
    let answer = prop_oneof![
        12 => reply.boxed(),
        3 => Just(Answer::usual()).boxed(),
        1 => offer.boxed(),
        3 => ending().boxed(),
    ];
    let wait = prop_oneof![8 => Just(0), 1 => 1_u64..700];
    let leaves = prop::bool::weighted(0.1);
    (answer, wait, leaves, prop::bool::weighted(0.2)).prop_map(
        |(answer, wait, leaves, in_pieces)| {
            let answer = if wait > 0 {
                answer.after(seconds(wait))
            } else {
                answer
            };
            let answer = if leaves {
                answer.then(Answer::close())
            } else {
                answer
            };
            if in_pieces {
                answer.in_pieces()
            } else {
                answer
            }
        },
    )
}

/// No reply that could be taken for one, nor one behind it.
fn ending() -> impl Strategy<Value = Answer> {
    select(vec![
        Answer::stall(),
        Answer::freeze(),
        Answer::close(),
        Answer::cut(),
        Answer::reset(),
        Answer::garbage(),
        Answer::endless_line(),
        Answer::endless_reply(),
        Answer::raw(&b"25"[..]),
        Answer::raw(&b"250-and\r\n"[..]).then(Answer::cut()),
    ])
}

/// A mail may be taken though the relay cannot say so.
fn at_the_end() -> impl Strategy<Value = Answer> {
    prop_oneof![
        one_reply(),
        ending().prop_map(|answer| answer.as_if(250)),
        ending().prop_map(|answer| answer.after(seconds(5)).as_if(250)),
    ]
}

/// Any number of replies at any time. What a session makes of them is held
/// against the transcript alone.
fn any_replies() -> impl Strategy<Value = Answer> {
    let octets = vec(any::<u8>(), 0..9).prop_map(Answer::raw);
    let answer = prop_oneof![
        8 => one_reply().boxed(),
        2 => octets.boxed(),
        1 => Just(Answer::nothing()).boxed(),
    ];
    vec(answer, 1..4).prop_map(|answers| {
        answers
            .into_iter()
            .reduce(Answer::then)
            .unwrap_or_else(Answer::usual)
    })
}

/// Seldom one of those without which there is no transaction.
fn step() -> impl Strategy<Value = At> {
    let opening = vec![
        At::Greeting,
        At::Ehlo,
        At::Helo,
        At::StartTls,
        At::EhloTls,
        At::Auth,
        At::AuthResponse(1),
    ];
    let transaction = vec![
        At::AnyMail,
        At::AnyRcpt,
        At::AnyRcpt,
        At::Rcpt(1),
        At::Rcpt(2),
        At::Rcpt(3),
        At::Data,
        At::Data,
        At::Data,
        At::Rset,
        At::Quit,
    ];
    prop_oneof![1 => select(opening), 8 => select(transaction)]
}

fn script_of<A: Strategy<Value = Answer>>(
    answer: impl Fn() -> A,
    at_the_end: impl Strategy<Value = Answer>,
) -> impl Strategy<Value = Script> {
    let before_anything = (select(vec![At::Connect, At::Handshake]), ending());
    let of = |step, weight| option::weighted(weight, (Just(step), answer()));
    let rule = prop_oneof![
        24 => (step(), answer()),
        8 => (Just(At::EndOfData), at_the_end),
        1 => before_anything,
    ];
    let nth = prop_oneof![4 => Just(0), 2 => Just(1), 1 => 2_u32..4];
    let rules = vec((rule, nth), 0..8);
    // Refusals that meet in one transaction.
    let mail = (
        of(At::AnyMail, 0.1),
        of(At::AnyRcpt, 0.3),
        of(At::Data, 0.3),
    );
    (mail, rules).prop_map(|((mail, rcpt, data), rules)| {
        let first = [mail, rcpt, data].into_iter().flatten();
        let script = first.fold(Script::new(), |script, (step, answer)| {
            script.at(step, answer)
        });
        rules
            .into_iter()
            .fold(script, |script, ((step, answer), nth)| match nth {
                0 => script.at(step, answer),
                nth => script.nth(nth, step, answer),
            })
    })
}

#[derive(Clone, Debug)]
struct Case {
    mode: TlsMode,
    wire: usize,
    has_extensions: bool,
    takes_chunks: bool,
    transactions: Transactions,
    has_credentials: bool,
    to_all: bool,
    recipients: usize,
    /// Lines of each message: if they are taken for commands, it shows.
    lines: String,
    /// When the caller gives the first mail up.
    patience: Option<u64>,
}

fn case() -> impl Strategy<Value = Case> {
    let mode = prop_oneof![
        16 => Just(TlsMode::Plaintext),
        1 => Just(TlsMode::StarttlsIfOffered),
        1 => Just(TlsMode::Implicit),
    ];
    let wire = prop_oneof![6 => Just(WIDE), 1 => 8_usize..2000];
    let lines = prop_oneof![
        Just("a line\r\n".to_owned()),
        Just("NOOP\r\n".to_owned()),
        Just("RSET\r\n.\r\nNOOP\r\n".to_owned()),
        Just("QUIT\r\n".to_owned()),
        // More than is written at once.
        Just(".\r\n..\r\n".repeat(10_000)),
    ];
    let flags = (
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.7),
        transactions(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.3),
    );
    let patience = prop_oneof![3 => Just(None), 1 => option::of(0_u64..700)];
    (mode, wire, flags, 1_usize..4, lines, patience).prop_map(
        |(mode, wire, flags, recipients, lines, patience)| {
            let (has_extensions, takes_chunks, transactions, has_credentials, to_all) = flags;
            Case {
                mode,
                wire,
                has_extensions,
                takes_chunks,
                transactions,
                has_credentials,
                to_all,
                recipients,
                lines,
                patience,
            }
        },
    )
}

/// Both ends of TLS.
static ENDS: LazyLock<(Tls, tls::Connector)> = LazyLock::new(|| {
    let ca = Ca::new("Test CA");
    let host = target(TlsMode::Implicit).host;
    let settings = tls::Settings {
        system_roots: Some(false),
        trust_anchors: Some(vec![ca.der()]),
        ..tls::Settings::default()
    };
    let connector = tls::Connector::new(&settings, &host.to_server_name(), &ROOTS).unwrap();
    let identity = ca.server(&host.to_string());
    (identity.into(), connector)
});

impl Case {
    fn relay(&self, script: Script) -> Builder {
        let relay = match (self.has_extensions, self.takes_chunks) {
            (true, true) => chunking(),
            (true, false) => usual(),
            (false, _) => plain(),
        };
        // Longer than any session waits, so that the relay breaks no silence.
        let relay = relay
            .auth("ada", "p")
            .lenient()
            .idle_limit(seconds(20_000))
            .script(script);
        match self.mode {
            TlsMode::Plaintext => relay,
            TlsMode::Implicit => relay.tls(ENDS.0.clone()).implicit_tls(),
            _ => relay.tls(ENDS.0.clone()),
        }
    }

    fn target(&self) -> Target {
        let credentials = self.has_credentials.then(|| Credentials::Password {
            username: "ada".into(),
            password: "p".into(),
        });
        Target {
            credentials,
            transactions: self.transactions,
            tls: ENDS.1.clone(),
            ..target(self.mode)
        }
    }

    fn envelope(&self) -> Envelope {
        Envelope {
            reverse_path: None,
            forward_paths: (1..=self.recipients)
                .map(|n| format!("r{n}@example.com").parse().unwrap())
                .collect(),
        }
    }

    /// The nth message, which has its like nowhere.
    fn message(&self, n: usize) -> String {
        format!("{}The end of message {n}.\r\n", self.lines)
    }
}

/// What came of one mail.
struct Sent {
    outcome: Result<Delivered, Box<Error>>,
    /// Whether the caller was told, in time, that nothing was sent.
    given_up: bool,
}

/// A whole session with a relay that plays `script`: up to three mails, and
/// QUIT. What came of each mail, and what the relay had of all that.
fn play(case: &Case, script: Script) -> (Vec<Sent>, TestRelay, Transcript) {
    paused().block_on(async {
        let (io, peer) = serve_over(case.wire, case.relay(script)).await;
        let transcript = Transcript::default();
        let started = Instant::now();
        let mut sent = Vec::new();
        if let Ok(mut session) = open(transcript.tap(io), &case.target()).await {
            while session.is_reusable() && sent.len() < 3 {
                let patience = case.patience.filter(|_| sent.is_empty());
                let number = sent.len() + 1;
                let is_readable = case.mode == TlsMode::Plaintext;
                let accepted_before = is_readable.then(|| transcript.accepted_ends());
                sent.push(send(case, &mut session, number, patience).await);
                check_words(case, sent.last().unwrap(), &transcript, accepted_before);
                session.settle().await;
            }
            session.quit().await;
        }
        assert!(
            started.elapsed() <= longest(case),
            "{:?}",
            started.elapsed()
        );
        if case.mode == TlsMode::Plaintext {
            check_framing(&transcript, |message| {
                (1..4).any(|n| message == case.message(n).as_bytes())
            });
        }
        (sent, peer.done().await, transcript)
    })
}

async fn send(
    case: &Case,
    session: &mut Session<Tap<DuplexStream>>,
    number: usize,
    patience: Option<u64>,
) -> Sent {
    let (envelope, progress) = (case.envelope(), Progress::default());
    let body = Body::from(Bytes::from(case.message(number)));
    let transaction = Transaction {
        envelope: &envelope,
        body: &body,
        policy: if case.to_all {
            RecipientPolicy::All
        } else {
            RecipientPolicy::Any
        },
    };
    let sending = session.send(transaction, &progress);
    let give_up = async {
        match patience {
            Some(time) => tokio::time::sleep(seconds(time)).await,
            None => std::future::pending().await,
        }
        progress.abandon()
    };
    tokio::pin!(sending);
    tokio::select! {
        outcome = &mut sending => Sent { outcome, given_up: false },
        is_given_up = give_up => Sent { outcome: sending.await, given_up: is_given_up },
    }
}

/// Every limit once, and those of replies for each of them.
fn longest(case: &Case) -> Duration {
    let limits = TimeLimits::default();
    let recipients = u32::try_from(case.recipients).unwrap();
    let opening =
        limits.greeting + 3 * limits.ehlo + limits.starttls + limits.handshake + 3 * limits.auth;
    let mail = limits.mail
        + recipients * limits.rcpt
        // DATA, and the message in chunks.
        + 6 * limits.data
        + limits.end_of_data
        + seconds(5 + 1);
    opening + 3 * mail + 2 * QUIT_LIMIT
}

/// What a session says of a mail is what it heard of it.
fn check_words(case: &Case, sent: &Sent, transcript: &Transcript, accepted_before: Option<usize>) {
    match &sent.outcome {
        Ok(delivered) => {
            let taken = |r: &&RecipientResult| r.state == RecipientState::Accepted;
            let taken = delivered.recipients.iter().filter(taken).count();
            assert!(taken > 0 && (!case.to_all || taken == case.recipients));
            if let Some(before) = accepted_before {
                assert!(transcript.accepted_ends() > before, "{transcript:?}");
            }
        }
        Err(error) => {
            let is_unknown = error.reason() == Reason::OutcomeUnknown;
            assert!(!is_unknown || error.stage == Stage::EndOfData);
            for recipient in &error.recipients {
                assert_ne!(recipient.state, RecipientState::Accepted);
                assert!(is_unknown || recipient.state != RecipientState::Unknown);
            }
        }
    }
}

/// What a session says of a mail is what became of it.
fn check_deeds(case: &Case, number: usize, sent: Sent, relay: &TestRelay) {
    let message = case.message(number);
    let mails = relay.mails();
    let copies: Vec<_> = mails.iter().filter(|mail| mail.bytes == message).collect();
    // Several transactions may carry it, each to others.
    let mut has_it: Vec<_> = copies.iter().flat_map(|mail| mail.recipients()).collect();
    has_it.sort_unstable();
    assert!(
        has_it.is_sorted_by(|a, b| a < b),
        "somebody has the mail twice"
    );
    match sent.outcome {
        Ok(delivered) => {
            assert!(!sent.given_up, "the mail was sent after it was given up");
            for recipient in &delivered.recipients {
                let has_it = has_it.contains(&recipient.address.as_str());
                match recipient.state {
                    RecipientState::Unknown => {}
                    state => assert_eq!(has_it, state == RecipientState::Accepted, "{recipient:?}"),
                }
            }
        }
        Err(error) => {
            let failure = error.into_failure();
            assert!(failure.summary.is_ascii());
            if failure.acceptance() == Acceptance::None || sent.given_up {
                assert!(copies.is_empty(), "the relay has the mail: {failure:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_a_session_says_of_a_mail_is_what_became_of_it(
        case in case(),
        script in script_of(one_reply, at_the_end()),
    ) {
        let (sent, relay, transcript) = play(&case, script);
        for (index, sent) in sent.into_iter().enumerate() {
            check_deeds(&case, index + 1, sent, &relay);
        }
        if case.mode == TlsMode::Plaintext && case.wire == WIDE {
            let said = transcript.said_after_the_end();
            prop_assert!(said.is_empty(), "{said:?}");
        }
    }

    #[test]
    fn whatever_a_relay_does_the_session_ends_in_time_and_in_sense(
        case in case(),
        script in script_of(any_replies, any_replies()),
    ) {
        play(&case, script);
    }
}
