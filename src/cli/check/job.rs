//! From the options to what is to be checked. A host on the command line is
//! checked as a relay that stands in the configuration, so that a remedy can
//! name the setting that would do it.

use super::args::Args;
use crate::{
    api::client::pb,
    cli::tls_mode::TlsMode,
    config::{self, Config, ConfigError, Sources},
    relay::{self, Relay},
    smtp::Host,
};

/// The longest name of a relay.
const MAX_NAME: usize = 63;

/// What is to be checked.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) settings: relay::Settings,
    pub(super) request: pb::CheckRelayRequest,
    pub(super) subject: Subject,
}

/// The relay, as the report names it.
#[derive(Debug)]
pub(super) struct Subject {
    /// Its name in the configuration, real or proposed.
    pub(super) name: String,
    pub(super) host: String,
    pub(super) port: u16,
    /// When TLS starts, where that was said on the command line for a host.
    pub(super) mode: Option<&'static str>,
    /// Whether it stands in the configuration already.
    pub(super) is_configured: bool,
}

impl Subject {
    /// `host:port`, with IPv6 addresses in brackets.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// A check that cannot be made as it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum JobError {
    #[error("name a HOST, or a relay of the configuration by --relay")]
    NoRelay,
    #[error("the settings are not valid\n{0}")]
    Config(ConfigError),
    #[error("there is no relay named `{name}` in the configuration{}", others(.known))]
    NoSuchRelay { name: String, known: Vec<String> },
    #[error("--auth needs --username and --password-file, since {0} has no credentials")]
    NoCredentials(String),
}

fn others(names: &[String]) -> String {
    if names.is_empty() {
        ", which has none".into()
    } else {
        format!("; it has {}", names.join(", "))
    }
}

impl Job {
    pub(super) fn new(args: &Args) -> Result<Self, JobError> {
        let load = |overrides| {
            config::load(&Sources::from_process(args.config.clone(), overrides))
                .map_err(JobError::Config)
        };
        let known = names(&load(Vec::new())?);
        let name = match (&args.relay, &args.place) {
            (Some(name), _) if !known.contains(name) => {
                return Err(JobError::NoSuchRelay {
                    name: name.clone(),
                    known,
                });
            }
            (Some(name), _) => name.clone(),
            (None, Some(place)) => proposed(&place.host, &known),
            (None, None) => return Err(JobError::NoRelay),
        };
        let config = load(overrides(args, &name))?;
        let relay = find(&config, &name)?;
        if args.auth && relay.credentials.is_none() {
            return Err(JobError::NoCredentials(relay.host.to_string()));
        }
        Ok(Self {
            subject: Subject {
                host: relay.host.to_string(),
                port: relay.port,
                mode: args.tls_mode.map(TlsMode::setting),
                is_configured: args.relay.is_some(),
                name: name.clone(),
            },
            settings: config.relay,
            request: pb::CheckRelayRequest {
                relay: Some(pb::RelayTarget {
                    target: Some(pb::relay_target::Target::Name(name)),
                }),
                authenticate: args.auth,
                probe: args.probe,
                deep: args.deep,
                ..pb::CheckRelayRequest::default()
            },
        })
    }
}

fn names(config: &Config) -> Vec<String> {
    let relays = config.relay.relays.iter();
    relays.map(|relay| relay.name.to_string()).collect()
}

fn find<'a>(config: &'a Config, name: &str) -> Result<&'a Relay, JobError> {
    let mut relays = config.relay.relays.iter();
    relays
        .find(|relay| relay.name.as_str() == name)
        .ok_or_else(|| JobError::NoSuchRelay {
            name: name.to_owned(),
            known: names(config),
        })
}

/// A name for a relay that has none, out of its host's: `smtp-example-com`. Not
/// one that is taken.
fn proposed(host: &Host, known: &[String]) -> String {
    let stem: String = match host {
        Host::Ip(_) => "relay".into(),
        Host::Name(name) => name
            .chars()
            .map(|c| match c {
                'a'..='z' | '0'..='9' => c,
                _ => '-',
            })
            .skip_while(|c| !c.is_ascii_lowercase())
            .take(MAX_NAME - 1)
            .collect(),
    };
    let stem = match stem.trim_end_matches('-') {
        "" => "relay",
        stem => stem,
    };
    if known.iter().any(|name| name == stem) {
        // Wherever the name was cut, there is room for one more letter.
        format!("{stem}x")
    } else {
        stem.to_owned()
    }
}

/// The options as settings of the relay, above those of the configuration.
fn overrides(args: &Args, name: &str) -> Vec<(String, String)> {
    let path = |path: &std::path::PathBuf| path.to_string_lossy().into_owned();
    let place = args.place.as_ref();
    [
        ("host", place.map(|it| it.host.to_string())),
        ("port", place.map(|it| it.port.to_string())),
        ("tls.mode", args.tls_mode.map(|it| it.setting().to_owned())),
        ("tls.ca_file", args.ca.as_ref().map(path)),
        ("tls.server_name", args.server_name.clone()),
        ("ehlo_name", args.ehlo_name.clone()),
        ("credentials.username", args.username.clone()),
        (
            "credentials.password_file",
            args.password_file.as_ref().map(path),
        ),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((format!("relays.{name}.{key}"), value?)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposed_name_is_one_and_is_free() {
        for (host, name) in [
            ("smtp.example.com", "smtp-example-com"),
            ("taken", "takenx"),
            ("192.0.2.1", "relay"),
            ("1and1.example.com", "and1-example-com"),
            ("a_b", "a-b"),
            ("4.3", "relay"),
        ] {
            let Ok(host) = host.parse() else { continue };
            let proposed = proposed(&host, &["taken".into()]);
            assert_eq!(proposed, name);
            assert!(proposed.parse::<relay::RelayName>().is_ok(), "{proposed}");
        }
        let long = Host::Name(format!("{}.{}", "a".repeat(61), "b".repeat(61)));
        let name = proposed(&long, &[proposed(&long, &[])]);
        assert!(name.parse::<relay::RelayName>().is_ok(), "{name}");
    }
}
