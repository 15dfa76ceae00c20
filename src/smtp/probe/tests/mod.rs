//! Over TCP, with a clock that runs: the connections of a probe are its own.

use std::time::Duration;

use super::*;
use crate::{
    smtp::{
        Target, TimeLimits,
        fixture::{LOOPBACK, ROOTS, target},
    },
    testrelay::{TestRelay, ca::Ca},
    tls,
};

mod silence;
mod survey;

const HOST: &str = "mail.example.com";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Reaches `relay` by its address, under a name that `ca` vouches for.
fn reaching(relay: &TestRelay, ca: &Ca, mode: TlsMode) -> Target {
    let settings = tls::Settings {
        system_roots: Some(false),
        trust_anchors: Some(vec![ca.der()]),
        server_name: Some(HOST.try_into().unwrap()),
        ..tls::Settings::default()
    };
    let target = target(mode);
    let name = target.host.to_server_name();
    Target {
        host: crate::smtp::Host::Ip(LOOPBACK),
        port: relay.port(),
        tls: tls::Connector::new(&settings, &name, &ROOTS).unwrap(),
        probing: Probing::default(),
        limits: TimeLimits {
            greeting: ms(1200),
            ..TimeLimits::default()
        },
        ..target
    }
}
