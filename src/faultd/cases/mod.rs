//! The catalogue, one file for each part of a session.

mod alerts;
mod certificates;
mod client_certificates;
mod controls;
mod endings;
mod greetings;
mod intolerance;
mod logins;
mod mails;
mod negotiation;
mod ports;
mod starttls;

use crate::testrelay::{Answer, Builder, Script, Step, TestRelay};

pub(in crate::faultd) use logins::{PASSWORD, USER};

use super::{case::Case, pki::Pki, recipients};

/// Every case, in the order of their ports.
pub fn all() -> Vec<Case> {
    [
        controls::cases(),
        recipients::cases(),
        ports::cases(),
        greetings::cases(),
        starttls::cases(),
        negotiation::cases(),
        alerts::cases(),
        client_certificates::cases(),
        intolerance::cases(),
        endings::cases(),
        certificates::cases(),
        logins::cases(),
        mails::cases(),
    ]
    .concat()
}

/// A relay that takes mails up to 10 MiB and forgets them. By DATA, so that no
/// client passes by the faults there.
fn plain() -> Builder {
    TestRelay::builder()
        .name("relay.faultd.example")
        .forgetful()
        .extensions([
            "PIPELINING",
            "SIZE 10485760",
            "8BITMIME",
            "ENHANCEDSTATUSCODES",
            "SMTPUTF8",
        ])
}

/// The same with TLS.
pub(super) fn secure(pki: &Pki) -> Builder {
    plain().tls(pki.good())
}

/// The same without TLS.
pub(super) fn bare() -> Builder {
    plain()
}

/// The same with TLS and a fault at one step.
fn faulty(step: Step, answer: Answer) -> impl Fn(&Pki) -> Builder + Send + Sync + 'static {
    move |pki| secure(pki).script(Script::new().at(step, answer.clone()))
}
