//! Finds out all that a relay accepts: what it chose is taken out of the hello
//! and it is asked again, until it refuses. A relay tells its groups by a
//! `HelloRetryRequest` when it is sent no key share, and before TLS 1.3 by its
//! key exchange.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Ours,
    answer::{Answer, ask},
    flight::{Chosen, Flight},
    hello::Hello,
    wide,
};
use crate::{
    report::{Enumeration, TlsVersion},
    tls::{Connector, version},
};

/// How many handshakes an enumeration takes at most. What is ours comes first,
/// and then what is weak, so that what is cut off matters least.
const QUESTIONS: usize = 48;
/// What the names of suites have that protect little or nothing.
const WEAK: &[&str] = &["NULL", "anon", "EXPORT", "RC4", "RC2", "DES"];

/// Finds out all that a relay accepts, hello by hello.
#[derive(Debug)]
pub struct Enumerator {
    ours: Ours,
    phase: Phase,
    asked: usize,
    /// What came of the last question, until it is thought over.
    heard: Option<Answer>,
    versions: Vec<TlsVersion>,
    suites: Vec<u16>,
    groups: Vec<u16>,
}

/// One hello to send.
#[derive(Clone, Debug)]
pub struct Question {
    /// What it asks for, such as `suites-tls12`.
    pub name: &'static str,
    hello: Hello,
}

/// What is asked for, in this order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Suites13,
    Groups13,
    OurSuites12,
    Old(TlsVersion),
    Groups12,
    WeakSuites12,
    Suites12,
    Done,
}

impl Connector {
    /// Everything that a relay accepts, to be set against what this connector
    /// offers.
    pub fn enumerate(&self) -> Enumerator {
        Enumerator {
            ours: self.ours(),
            phase: Phase::Suites13,
            asked: 0,
            heard: None,
            versions: Vec::new(),
            suites: Vec::new(),
            groups: Vec::new(),
        }
    }
}

impl Enumerator {
    /// What to ask next. `None` when all is known, or enough was asked.
    pub fn next_question(&mut self) -> Option<Question> {
        self.think();
        if self.asked >= QUESTIONS {
            return None;
        }
        loop {
            let name = self.phase.name()?;
            let hello = self.hello();
            if !hello.suites.is_empty() && !self.is_idle(&hello) {
                return Some(Question { name, hello });
            }
            self.phase = self.phase.after();
        }
    }

    /// Asks on a connection on which TLS begins now. Whoever calls bounds the
    /// time, and drops the future when it is up: silence is a refusal.
    pub async fn attempt<IO>(&mut self, question: &Question, io: IO)
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.think();
        self.asked += 1;
        let hello = question.hello.record(&self.ours.random);
        ask(io, &hello, self.heard.insert(Answer::Silence)).await;
    }

    /// Notes that there was no connection to ask on. Ends the enumeration.
    pub fn missed(&mut self) {
        self.think();
        self.phase = Phase::Done;
    }

    /// What the relay accepts, as far as it was asked.
    pub fn conclude(mut self) -> Enumeration {
        self.think();
        let ours = &self.ours;
        self.versions.sort();
        let known = [wide::SUITES_13, wide::SUITES].concat();
        let in_order = |it: &u16| known.iter().position(|known| known == it);
        self.suites
            .sort_by_key(|it| in_order(it).unwrap_or(usize::MAX));
        let suites = [&ours.suites_13[..], &ours.suites].concat();
        let groups = [&ours.groups_13[..], &ours.groups].concat();
        let shared_versions = self.versions.iter().filter(|it| ours.offers(**it));
        Enumeration {
            shared_versions: shared_versions.copied().collect(),
            versions: self.versions.clone(),
            cipher_suites: names(&self.suites, wide::suite_name),
            shared_cipher_suites: names(&common(&self.suites, &suites), wide::suite_name),
            key_exchange_groups: names(&self.groups, wide::group_name),
            shared_key_exchange_groups: names(&common(&self.groups, &groups), wide::group_name),
        }
    }

    /// Draws the conclusion from what was heard.
    fn think(&mut self) {
        let Some(answer) = self.heard.take() else {
            return;
        };
        let learned = answer.flight().is_some_and(|flight| self.learn(flight));
        if !learned {
            self.phase = self.phase.after();
        }
    }

    /// Whether there was something new, so that asking again makes sense.
    fn learn(&mut self, flight: &Flight) -> bool {
        let Some(Chosen { version, suite, .. }) = flight.chosen else {
            return false;
        };
        add(&mut self.versions, version);
        let is_new_suite = add(&mut self.suites, suite);
        let is_new_group = flight.group().is_some_and(|it| add(&mut self.groups, it));
        match self.phase {
            Phase::Groups13 | Phase::Groups12 => is_new_group,
            // One answer says all.
            Phase::Old(_) => false,
            _ => is_new_suite,
        }
    }

    /// What the phase asks.
    fn hello(&self) -> Hello {
        let ours = &self.ours;
        match self.phase {
            Phase::Suites13 => Hello {
                suites: without(wide::SUITES_13, &self.suites),
                groups: [wide::GROUPS, wide::GROUPS_13].concat(),
                shares: ours.shares.clone(),
                ..self.tls13()
            },
            Phase::Groups13 => Hello {
                suites: common(wide::SUITES_13, &self.suites),
                groups: without(&[wide::GROUPS_13, wide::GROUPS].concat(), &self.groups),
                ..self.tls13()
            },
            Phase::OurSuites12 => Hello {
                suites: without(&ours.suites, &self.suites),
                groups: wide::GROUPS.to_vec(),
                schemes: wide::SCHEMES.to_vec(),
                ..self.up_to(TlsVersion::Tls12)
            },
            Phase::Old(TlsVersion::Ssl30) => Hello {
                legacy_version: 0x0300,
                suites: wide::OLD_SUITES.to_vec(),
                ..Hello::default()
            },
            Phase::Old(version) => Hello {
                suites: wide::SUITES.to_vec(),
                groups: wide::GROUPS.to_vec(),
                ..self.up_to(version)
            },
            Phase::Groups12 => Hello {
                suites: those_with(&self.suites, &["TLS_ECDHE_"]),
                groups: without(wide::GROUPS, &self.groups),
                schemes: wide::SCHEMES.to_vec(),
                ..self.up_to(TlsVersion::Tls12)
            },
            Phase::WeakSuites12 => Hello {
                suites: without(&those_with(wide::SUITES, WEAK), &self.suites),
                groups: wide::GROUPS.to_vec(),
                schemes: wide::SCHEMES.to_vec(),
                ..self.up_to(TlsVersion::Tls12)
            },
            Phase::Suites12 | Phase::Done => Hello {
                suites: without(wide::SUITES, &self.suites),
                groups: wide::GROUPS.to_vec(),
                schemes: wide::SCHEMES.to_vec(),
                ..self.up_to(TlsVersion::Tls12)
            },
        }
    }

    /// Whether the answer is known beforehand.
    fn is_idle(&self, hello: &Hello) -> bool {
        match self.phase {
            Phase::Groups13 | Phase::Groups12 => hello.groups.is_empty(),
            Phase::Old(version) => self.versions.contains(&version),
            _ => false,
        }
    }

    fn tls13(&self) -> Hello {
        Hello {
            versions: vec![version::to_wire(TlsVersion::Tls13)],
            schemes: wide::SCHEMES.to_vec(),
            ..self.up_to(TlsVersion::Tls12)
        }
    }

    fn up_to(&self, newest: TlsVersion) -> Hello {
        Hello {
            legacy_version: version::to_wire(newest),
            server_name: self.ours.server_name.clone(),
            ..Hello::default()
        }
    }
}

impl Phase {
    fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Suites13 => "suites-tls13",
            Self::Groups13 => "groups-tls13",
            Self::OurSuites12 => "our-suites-tls12",
            Self::Old(TlsVersion::Tls11) => "tls11",
            Self::Old(TlsVersion::Tls10) => "tls10",
            Self::Old(_) => "ssl30",
            Self::Groups12 => "groups-tls12",
            Self::WeakSuites12 => "weak-suites-tls12",
            Self::Suites12 => "suites-tls12",
            Self::Done => return None,
        })
    }

    fn after(self) -> Self {
        match self {
            Self::Suites13 => Self::Groups13,
            Self::Groups13 => Self::OurSuites12,
            Self::OurSuites12 => Self::Old(TlsVersion::Tls11),
            Self::Old(TlsVersion::Tls11) => Self::Old(TlsVersion::Tls10),
            Self::Old(TlsVersion::Tls10) => Self::Old(TlsVersion::Ssl30),
            Self::Old(_) => Self::Groups12,
            Self::Groups12 => Self::WeakSuites12,
            Self::WeakSuites12 => Self::Suites12,
            Self::Suites12 | Self::Done => Self::Done,
        }
    }
}

/// Whether it was not there before.
fn add<T: PartialEq>(all: &mut Vec<T>, one: T) -> bool {
    let is_new = !all.contains(&one);
    if is_new {
        all.push(one);
    }
    is_new
}

fn names(numbers: &[u16], name: fn(u16) -> String) -> Vec<String> {
    numbers.iter().map(|it| name(*it)).collect()
}

fn common(all: &[u16], others: &[u16]) -> Vec<u16> {
    let common = all.iter().filter(|it| others.contains(it));
    common.copied().collect()
}

fn without(all: &[u16], others: &[u16]) -> Vec<u16> {
    let rest = all.iter().filter(|it| !others.contains(it));
    rest.copied().collect()
}

/// Those of `suites` whose name has one of `parts`.
fn those_with(suites: &[u16], parts: &[&str]) -> Vec<u16> {
    let has_part = |suite: &&u16| {
        let name = wide::suite_name(**suite);
        parts.iter().any(|part| name.contains(part))
    };
    suites.iter().filter(has_part).copied().collect()
}
