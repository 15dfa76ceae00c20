//! `[relays.NAME]`, `default_relay`, `[[routes]]` and `[custom_relays]`.

use std::{collections::HashMap, num::NonZeroUsize, time::Duration};

use super::{
    credentials::credentials,
    host_name, kind,
    nearest::nearest_word,
    section::Section,
    tls::{self, check_versions},
    value::Node,
};
use crate::{
    relay::{AllowedHosts, CustomRelays, PoolLimits, Relay, RelayName, Route, Settings, TlsOption},
    report::TlsMode,
    smtp::{Host, TimeLimits},
};

const DEFAULT_PORT: u16 = 587;
const MOST_RECIPIENTS: usize = 100_000;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_hours(1);
const MOST_CONNECTIONS: usize = 1000;
const MOST_MAILS: usize = 1_000_000;

/// Reads everything about relays.
pub(super) fn settings(root: &Section<'_>) -> Settings {
    let tls_section = root.section("tls");
    let global = tls::settings(&tls_section);
    check_versions(&tls_section, &global);

    let ehlo_name = host_name::ehlo();
    let sections = root.named("relays");
    let all_names: Vec<_> = sections.iter().map(|(name, _)| name.as_str()).collect();
    let mut names = Vec::new();
    let mut relays = Vec::new();
    for (name, section) in &sections {
        let parsed = match name.parse::<RelayName>() {
            Ok(name) => Some(name),
            Err(broken) => {
                section.wrong_here(format!("has a bad name: it {broken}"));
                None
            }
        };
        names.extend(parsed.clone());
        if !section.has("host") {
            let others = all_names.iter().copied().filter(|other| other != name);
            section.wrong_here(match nearest_word(name, others) {
                Some(meant) => format!("needs `host`; did you mean the relay `{meant}`?"),
                None => "needs `host`".to_owned(),
            });
        }
        relays.extend(relay(section, parsed, (&tls_section, &global), &ehlo_name));
    }
    let routes = routes(root, &names);
    let custom = custom(&root.section("custom_relays"), ehlo_name);
    let default = root
        .read("default_relay", |node| {
            relay_name(&kind::text(node)?, &names)
        })
        .or_else(|| match names.as_slice() {
            [only] if routes.is_empty() && !root.has("default_relay") => Some(only.clone()),
            _ => None,
        });
    if names.is_empty() && custom.allow.is_empty() {
        root.warn("no relay is configured and none may be named: no mail can be sent".to_owned());
    }
    Settings {
        relays,
        default,
        routes,
        custom,
        tls: global,
    }
}

fn relay(
    section: &Section<'_>,
    name: Option<RelayName>,
    (global_section, global): (&Section<'_>, &crate::tls::Settings),
    ehlo_name: &str,
) -> Option<Relay> {
    let host = section.read("host", kind::host);
    let port = section.read("port", kind::port).unwrap_or(DEFAULT_PORT);
    let credentials_section = section.section("credentials");
    let credentials = credentials(&credentials_section);
    let allow_tls_options = tls_options(section);
    let limits = limits(&section.section("limits"));
    let ehlo_name = section
        .read("ehlo_name", kind::domain_or_literal)
        .unwrap_or_else(|| ehlo_name.to_owned());
    let max_recipients = max_recipients(section);

    let tls_section = section.section("tls");
    let own = tls::settings(&tls_section);
    let merged = global.clone().merge(own.clone());
    check_versions(&tls_section, &merged);
    let mode = merged.mode.unwrap_or(TlsMode::of_port(port));
    let trusts = tls::trusts_something([global_section, &tls_section], &merged);
    let may_add_anchors = allow_tls_options.contains(&TlsOption::TrustAnchors);
    if mode != TlsMode::Plaintext && !may_add_anchors && !trusts {
        section.wrong_here(
            "trusts no certificate: `system_roots` is false, and there is no `ca_file` and no pin",
        );
    }
    let host = host?;
    if !is_loopback(&host) {
        let authenticates =
            credentials_section.has("password_file") || credentials_section.has("token_file");
        check_exposure(section, &tls_section, mode, authenticates);
    }
    Some(Relay {
        name: name?,
        host,
        port,
        tls: own,
        allow_tls_options,
        credentials,
        ehlo_name,
        max_recipients,
        limits,
        pool: pool(&section.section("pool")),
    })
}

/// What may travel in plaintext to another machine.
fn check_exposure(
    section: &Section<'_>,
    tls_section: &Section<'_>,
    mode: TlsMode,
    authenticates: bool,
) {
    let key = tls_section.path("mode");
    match mode {
        TlsMode::Plaintext if authenticates => {
            let message = "must not be `plaintext` for a relay with credentials, \
                           unless its host is a loopback address";
            if tls_section.has("mode") {
                tls_section.wrong("mode", message);
            } else {
                section.wrong_here(format!("has credentials: its `tls.mode` {message}"));
            }
        }
        TlsMode::Plaintext => section.warn(format!(
            "`{key}` is `plaintext`: mails travel unencrypted, and whoever is on the way can read \
             and change them"
        )),
        TlsMode::StarttlsIfOffered => section.warn(format!(
            "`{key}` is `starttls_if_offered`: whoever is on the way can take the offer out, and \
             mails then travel unencrypted"
        )),
        TlsMode::Implicit | TlsMode::Starttls => {}
    }
}

/// Whether `host` is this machine, as far as that is known before it is resolved.
fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Ip(ip) => ip.to_canonical().is_loopback(),
        // RFC 6761 section 6.3.
        Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
    }
}

fn routes(root: &Section<'_>, names: &[RelayName]) -> Vec<Route> {
    let mut seen = HashMap::new();
    let mut routes = Vec::new();
    for section in root.list("routes") {
        let domain = section.read("domain", kind::domain_pattern);
        let relay = section.read("relay", |node| relay_name(&kind::text(node)?, names));
        for key in ["domain", "relay"] {
            if !section.has(key) {
                section.wrong_here(format!("needs `{key}`"));
            }
        }
        let Some(domain) = domain else { continue };
        match (seen.get(&domain), section.origin("domain")) {
            (Some(first), Some(_)) => {
                section.wrong("domain", format!("repeats the route at {first}"));
            }
            (None, Some(origin)) => {
                seen.insert(domain.clone(), origin.clone());
            }
            (_, None) => {}
        }
        routes.extend(relay.map(|relay| Route { domain, relay }));
    }
    routes
}

fn relay_name(text: &str, names: &[RelayName]) -> Result<RelayName, String> {
    if let Some(name) = names.iter().find(|name| name.as_str() == text) {
        return Ok(name.clone());
    }
    let known: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let known = match known.as_slice() {
        [] => "there is none".to_owned(),
        known => format!("there are {}", known.join(", ")),
    };
    Err(format!(
        "must be the name of a relay, not \"{}\"; {known}",
        text.escape_debug()
    ))
}

fn custom(section: &Section<'_>, ehlo_name: String) -> CustomRelays {
    let allow = section.list("allow").into_iter().filter_map(|allowed| {
        let host = allowed.read("host", allowed_host);
        if !allowed.has("host") {
            allowed.wrong_here("needs `host`");
        }
        let ports = allowed.read_list("ports", kind::port).unwrap_or_default();
        Some(AllowedHosts { host: host?, ports })
    });
    CustomRelays {
        allow: allow.collect(),
        allow_tls_options: tls_options(section),
        ehlo_name: section
            .read("ehlo_name", kind::domain_or_literal)
            .unwrap_or(ehlo_name),
        max_recipients: max_recipients(section),
        limits: limits(&section.section("limits")),
        pool: pool(&section.section("pool")),
    }
}

/// A host, `*.` and a domain, or `*`.
fn allowed_host(node: &Node) -> Result<String, String> {
    match kind::text(node)?.as_str() {
        "*" => Ok("*".to_owned()),
        text if text.starts_with("*.") => kind::domain_pattern(node),
        _ => Ok(match kind::host(node)? {
            Host::Name(name) => name,
            Host::Ip(ip) => ip.to_string(),
        }),
    }
}

fn tls_options(section: &Section<'_>) -> Vec<TlsOption> {
    section
        .read_list("allow_tls_options", kind::one_of)
        .unwrap_or_default()
}

fn max_recipients(section: &Section<'_>) -> Option<NonZeroUsize> {
    let most = section.read("max_recipients", kind::count(1..=MOST_RECIPIENTS));
    most.and_then(NonZeroUsize::new)
}

fn pool(section: &Section<'_>) -> PoolLimits {
    let default = PoolLimits::default();
    PoolLimits {
        max_connections: section
            .read("max_connections", kind::count(1..=MOST_CONNECTIONS))
            .unwrap_or(default.max_connections),
        idle_time: section
            .read("idle_time", kind::duration(SHORTEST..=LONGEST))
            .unwrap_or(default.idle_time),
        max_mails: section
            .read("max_mails", kind::count(1..=MOST_MAILS))
            .unwrap_or(default.max_mails),
    }
}

fn limits(section: &Section<'_>) -> TimeLimits {
    let default = TimeLimits::default();
    let step = |key, default| {
        section
            .read(key, kind::duration(SHORTEST..=LONGEST))
            .unwrap_or(default)
    };
    TimeLimits {
        resolve: step("resolve", default.resolve),
        connect: step("connect", default.connect),
        connect_total: step("connect_total", default.connect_total),
        greeting: step("greeting", default.greeting),
        ehlo: step("ehlo", default.ehlo),
        starttls: step("starttls", default.starttls),
        handshake: step("handshake", default.handshake),
        auth: step("auth", default.auth),
        mail: step("mail", default.mail),
        rcpt: step("rcpt", default.rcpt),
        data: step("data", default.data),
        end_of_data: step("end_of_data", default.end_of_data),
    }
}
