//! `[relays.NAME]`, `default_relay`, `[[routes]]` and `[custom_relays]`.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc, time::Duration};

use super::{
    credentials::credentials,
    host_name,
    key::Key,
    kind,
    nearest::nearest_word,
    secrets::{SecretFiles, Secrets},
    section::Section,
    tls::{self, check_versions},
};
use crate::{
    relay::{
        AllowedHosts, CredentialSource, CustomRelays, PoolLimits, Relay, RelayName, Route,
        Settings, TlsOption,
    },
    report::TlsMode,
    smtp::{Host, Mechanisms, TimeLimits, Transactions},
};

const TLS: &str = "\
TLS for all relays. It is the layer below each relay's own `[relays.NAME.tls]`, which has the same \
keys; a request may add a third layer. The layers are merged key by key: whoever sets one key \
changes no other.\n\n\
There is no switch that turns verification off. For a relay with a certificate of its own there \
are `ca_file` and `key_pins`.";
const RELAYS: &str = "\
The relays. `NAME` has lower-case letters, digits and hyphens, a letter first, at most 63.";
const CREDENTIALS: &str = "\
Without this section, no AUTH is sent. With it, a user name and one secret are required. Secrets \
come from files alone: `password` or `token` in the configuration or in the environment is \
refused. A file holds one line; the line break at its end is not part of the secret.\n\n\
The files are read again every second while the service runs, so that a secret can be changed \
without a restart: mails that come from then on go on connections that were made with the new one. \
A file that can no longer be read, or whose contents are no longer valid, leaves the last good \
secret in use; the log says so once. A pipe is read once.\n\n\
A relay with credentials may be `plaintext` only at a loopback address.\n\n\
Of the mechanisms in `auth_mechanisms`, the first is used that the relay offers and that takes the \
credentials; one that is not offered is never tried. By default the strongest comes first: \
SCRAM-SHA-256 does not say the password, and makes the relay prove that it knows it; -PLUS binds \
the login to the TLS connection (`tls-exporter` in TLS 1.3, `tls-server-end-point` in TLS 1.2). \
CRAM-MD5 is used only where it is listed. A relay that refuses the credentials (535) is not asked \
again by another mechanism; one that does not know what it offers (504), or cannot bind to the \
connection, is asked for the next. A password that SASLprep does not allow, such as one with an \
emoji, is passed over by SCRAM.";
const RELAY_TLS: &str = "\
TLS for this relay. Where it does not set a key, that of `[tls]` holds.";
const POOL: &str = "\
Connections that are kept for further mails, one pool for each relay and its credentials. A \
connection is never lent to a mail with other TLS settings.";
const LIMITS: &str = "How long each step may take.";
const ROUTES: &str = "\
Which relay carries a mail that names none. The first route that fits the sender's domain wins: \
the domain of the reverse-path or, when that is empty, of From. Then comes `default_relay`. Where \
nothing fits, the call fails with `NO_ROUTE`.";
const CUSTOM_RELAYS: &str = "Relays that callers describe.";
const ALLOW: &str = "\
A request may describe a relay of its own only at the hosts and ports that stand here; by default \
there are none.";

const MECHANISMS: &str = "auth_mechanisms";
const DEFAULT_PORT: u16 = 587;
const MOST_RECIPIENTS: usize = 100_000;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_hours(1);
const MOST_CONNECTIONS: usize = 1000;
const MOST_MAILS: usize = 1_000_000;
const MOST_DEPTH: usize = 64;

/// Reads everything about relays.
pub(super) fn settings(root: &Section<'_>) -> (Settings, Secrets) {
    let tls_section = root.section("tls", TLS);
    let global = tls::settings(&tls_section, &tls::Found::default());
    check_versions(&tls_section, &global);

    let ehlo_name = host_name::ehlo();
    let sections = root.named("relays", RELAYS, kind::RELAY_NAME);
    let all_names: Vec<_> = sections.iter().map(|(name, _)| name.as_str()).collect();
    let mut names = Vec::new();
    let mut relays = Vec::new();
    let mut secrets = Vec::new();
    for (name, section) in &sections {
        let parsed = match name.parse::<RelayName>() {
            Ok(name) => Some(name),
            Err(broken) => {
                section.wrong_here(format!("has a bad name: it {broken}"));
                None
            }
        };
        names.extend(parsed.clone());
        let others = all_names.iter().copied().filter(|other| other != name);
        let hint = match nearest_word(name, others) {
            Some(meant) => format!("; did you mean the relay `{meant}`?"),
            None => String::new(),
        };
        let host = section
            .read(Key {
                name: "host",
                about: "Where the relay is.",
                kind: kind::host(),
                example: "smtp.example.com",
            })
            .required(&hint);
        let layer = (&tls_section, &global);
        if let Some((relay, files)) = relay(section, parsed, host, layer, &ehlo_name) {
            relays.push(relay);
            secrets.extend(files);
        }
    }
    let routes = routes(root, &names);
    let custom = custom(&root.section("custom_relays", CUSTOM_RELAYS), &ehlo_name);
    let sole = match names.as_slice() {
        [only] if routes.is_empty() && !root.has("default_relay") => Some(only.clone()),
        _ => None,
    };
    let default = root
        .read(Key {
            name: "default_relay",
            about: "Where mail goes that no route fits.",
            kind: kind::relay_name(&names),
            example: "primary",
        })
        .or_none_as(
            sole.as_ref(),
            "the only relay, when there is exactly one and no route",
        )
        .or(sole);
    if names.is_empty() && custom.allow.is_empty() {
        root.warn("no relay is configured and none may be named: no mail can be sent".to_owned());
    }
    let settings = Settings {
        relays,
        default,
        routes,
        custom,
        tls: global,
    };
    (settings, Secrets(secrets))
}

fn relay(
    section: &Section<'_>,
    name: Option<RelayName>,
    host: Option<Host>,
    (global_section, global): (&Section<'_>, &crate::tls::Settings),
    local_name: &str,
) -> Option<(Relay, Option<Arc<SecretFiles>>)> {
    let port = section
        .read(Key {
            name: "port",
            about: "Its TCP port.",
            kind: kind::port(),
            example: "465",
        })
        .or(DEFAULT_PORT);
    let ehlo_name = ehlo_name(section, local_name);
    let mechanisms = mechanisms(section);
    let allow_tls_options = tls_options(section);
    let max_recipients = max_recipients(section);
    let transactions = transactions(section);
    let credentials_section = section.section("credentials", CREDENTIALS);
    let files = credentials(&credentials_section);
    if let (Some(files), Some(mechanisms)) = (&files, &mechanisms)
        && !mechanisms.take(&files.current().credentials)
    {
        let message = "has no mechanism for the kind of credentials that there are";
        section.wrong(MECHANISMS, message);
    }

    let tls_section = section.section("tls", RELAY_TLS).over(global_section);
    let found = tls::Found {
        mode: name.is_some().then(|| TlsMode::of_port(port)),
        server_name: host.as_ref().map(Host::to_string),
    };
    let own = tls::settings(&tls_section, &found);
    let limits = limits(&section.section("limits", LIMITS));
    let pool_section = section.section("pool", POOL);
    let pool = PoolLimits {
        depth: depth(&pool_section),
        ..pool(&pool_section)
    };
    let probe = probe(section);
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
    } else if mode == TlsMode::Plaintext {
        section.warn(format!(
            "`{}` is `plaintext`: mails travel unencrypted, on this machine",
            tls_section.path("mode")
        ));
    }
    let relay = Relay {
        name: name?,
        host,
        port,
        tls: own,
        allow_tls_options,
        credentials: files
            .clone()
            .map(|files| files as Arc<dyn CredentialSource>),
        mechanisms: mechanisms.unwrap_or_default(),
        ehlo_name,
        max_recipients,
        transactions,
        limits,
        pool,
        probe,
    };
    Some((relay, files))
}

fn mechanisms(section: &Section<'_>) -> Option<Mechanisms> {
    let listed = section
        .read_list(Key {
            name: MECHANISMS,
            about: "How to authenticate: the first that the relay offers and that takes the \
                    credentials.",
            kind: kind::one_of(),
            example: "scram-sha-256,plain",
        })
        .or_none_for(&Mechanisms::default())?;
    let mechanisms = Mechanisms::new(listed);
    if mechanisms.is_none() {
        let message = "must name at least one mechanism, and none twice";
        section.wrong(MECHANISMS, message);
    }
    mechanisms
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
    for section in root.list("routes", ROUTES) {
        let domain = section
            .read(Key {
                name: "domain",
                about: "A domain, or `*.` and a domain for those below it. Each once.",
                kind: kind::domain_pattern(),
                example: "*.example.com",
            })
            .required("");
        let relay = section
            .read(Key {
                name: "relay",
                about: "The relay that carries its mail.",
                kind: kind::relay_name(names),
                example: "primary",
            })
            .required("");
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

fn custom(section: &Section<'_>, local_name: &str) -> CustomRelays {
    let allow = section.list("allow", ALLOW);
    let allow = allow.iter().filter_map(allowed_hosts).collect();
    CustomRelays {
        allow,
        allow_tls_options: tls_options(section),
        ehlo_name: ehlo_name(section, local_name),
        max_recipients: max_recipients(section),
        transactions: transactions(section),
        limits: limits(&section.section("limits", LIMITS)),
        pool: pool(&section.section("pool", POOL)),
        probe: probe(section),
    }
}

fn allowed_hosts(section: &Section<'_>) -> Option<AllowedHosts> {
    let host = section
        .read(Key {
            name: "host",
            about: "A host name, an IP address, `*.` and a domain for the names below it, or `*` \
                    for any.",
            kind: kind::host_pattern(),
            example: "*.example.com",
        })
        .required("");
    let ports = section
        .read_list(Key {
            name: "ports",
            about: "The ports there.",
            kind: kind::port(),
            example: "465,587",
        })
        .or_none("any port")
        .unwrap_or_default();
    Some(AllowedHosts { host: host?, ports })
}

fn tls_options(section: &Section<'_>) -> Vec<TlsOption> {
    section
        .read_list(Key {
            name: "allow_tls_options",
            about: "Which TLS settings a request may change. A higher `min_version`, pins within \
                    the relay's, and a mode that requires TLS where the relay's did not are always \
                    allowed.",
            kind: kind::one_of(),
            example: "mode,server_name",
        })
        .or(Vec::new())
}

fn ehlo_name(section: &Section<'_>, local_name: &str) -> String {
    section
        .read(Key {
            name: "ehlo_name",
            about: "What to say in EHLO.",
            kind: kind::domain_or_literal(),
            example: "mail.example.com",
        })
        .or_found(
            local_name.to_owned(),
            "this machine's name when it is fully qualified, `[127.0.0.1]` otherwise",
        )
}

fn max_recipients(section: &Section<'_>) -> Option<NonZeroUsize> {
    section
        .read(Key {
            name: "max_recipients",
            about: "How many recipients to name in one transaction: a mail to more goes out in \
                    several. A relay that tells its limit (LIMITS, or \"too many recipients\") \
                    needs no setting.",
            kind: kind::count(1..=MOST_RECIPIENTS),
            example: "50",
        })
        .or_none("no limit")
        .and_then(NonZeroUsize::new)
}

fn transactions(section: &Section<'_>) -> Transactions {
    section
        .read(Key {
            name: "transactions",
            about: "How boldly transactions are written. `serial`: one command at a time. \
                    `standard`: all recipients in one write, and the message in the next; 2 round \
                    trips where the relay offers PIPELINING. `eager`: everything in one write, 1 \
                    round trip, where it offers CHUNKING as well; for messages of up to 256 KiB \
                    that may go to some of their recipients. A relay that then does not discard \
                    the message of a mail that it accepted no recipient for, as RFC 3030 requires, \
                    reads its lines as commands. `eager_if_safe`: as `standard`, until the relay \
                    has shown that it discards them.",
            kind: kind::one_of(),
            example: "eager_if_safe",
        })
        .or(Transactions::default())
}

fn probe(section: &Section<'_>) -> bool {
    section
        .read(Key {
            name: "probe",
            about: "Whether to make further connections when what was seen of a failure has \
                    several causes: a TLS hello where no greeting comes, other hellos, the other \
                    submission ports. At most 8 connections and 5 seconds, once in 5 minutes for \
                    each failure; never with credentials or mail. A check that asks for it is not \
                    bound by this.",
            kind: kind::boolean(),
            example: "false",
        })
        .or(true)
}

fn pool(section: &Section<'_>) -> PoolLimits {
    let default = PoolLimits::default();
    PoolLimits {
        max_connections: section
            .read(Key {
                name: "max_connections",
                about: "Connections at a time, in use or idle. A mail that finds none free waits \
                        in line, until its deadline.",
                kind: kind::count(1..=MOST_CONNECTIONS),
                example: "4",
            })
            .or(default.max_connections),
        idle_time: section
            .read(Key {
                name: "idle_time",
                about: "How long a connection may be idle before it is closed. Keep it below the \
                        time after which the relay itself hangs up.",
                kind: kind::duration(SHORTEST..=LONGEST),
                example: "10s",
            })
            .or(default.idle_time),
        max_mails: section
            .read(Key {
                name: "max_mails",
                about: "How many mails one connection carries before it is closed. One that takes \
                        several transactions counts as several. 1 keeps none open.",
                kind: kind::count(1..=MOST_MAILS),
                example: "20",
            })
            .or(default.max_mails),
        depth: default.depth,
    }
}

fn depth(section: &Section<'_>) -> usize {
    section
        .read(Key {
            name: "depth",
            about: "Mails at once on one connection, one behind the other without waiting for \
                    replies: as many times the mails where the relay is far away and allows few \
                    connections. Only those that go eagerly, see `transactions`, to at most 100 \
                    recipients; others have a connection to themselves. When a connection is \
                    lost, the outcome of mails on it without a last reply is unknown.",
            kind: kind::count(1..=MOST_DEPTH),
            example: "16",
        })
        .or(PoolLimits::default().depth)
}

fn limits(section: &Section<'_>) -> TimeLimits {
    let default = TimeLimits::default();
    let step = |name, about, default| {
        let key = Key {
            name,
            about,
            kind: kind::duration(SHORTEST..=LONGEST),
            example: "5s",
        };
        section.read(key).or(default)
    };
    TimeLimits {
        resolve: step("resolve", "Resolving the host name.", default.resolve),
        connect: step("connect", "Connecting to one address.", default.connect),
        connect_total: step(
            "connect_total",
            "Connecting, over all addresses.",
            default.connect_total,
        ),
        greeting: step("greeting", "The greeting.", default.greeting),
        ehlo: step("ehlo", "The reply to EHLO.", default.ehlo),
        starttls: step("starttls", "The reply to STARTTLS.", default.starttls),
        handshake: step("handshake", "The TLS handshake.", default.handshake),
        auth: step("auth", "Each reply in AUTH.", default.auth),
        mail: step("mail", "The reply to MAIL FROM.", default.mail),
        rcpt: step("rcpt", "The reply to each RCPT TO.", default.rcpt),
        data: step(
            "data",
            "The reply to DATA, and each write of the message.",
            default.data,
        ),
        end_of_data: step(
            "end_of_data",
            "The reply to the end of data. Giving up early risks a duplicate: the relay may have \
             taken the mail.",
            default.end_of_data,
        ),
    }
}
