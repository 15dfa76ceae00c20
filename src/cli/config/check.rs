//! `posthaste config check`: says whether a configuration is valid, and sums it
//! up. Shows no secret: it is given none.

use std::{fmt::Write as _, net::SocketAddr};

use serde_json::{Value, json};

use super::{Output, lines};
use crate::{
    config::{Config, ConfigError},
    relay::Relay,
    report::TlsMode,
    smtp::Host,
    tls::{self, Version},
};

/// What to print of a configuration that has been read.
pub(super) fn output(result: &Result<Config, ConfigError>, json: bool) -> Output {
    match result {
        Ok(config) if json => Output::good(lines(&valid_json(config))),
        Ok(config) => Output::good(valid(config)),
        Err(error) => super::refused(error, json),
    }
}

fn valid(config: &Config) -> String {
    let mut text = "configuration is valid\n".to_owned();
    let mut line = |label: &str, rest: &str| {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "  {label:<8} {rest}");
    };
    line("listen", &config.server.listen.to_string());
    for relay in &config.relay.relays {
        let policy = Policy::of(config, relay);
        let mut rest = format!("{} at {}, {}", relay.name, endpoint(relay), policy.mode);
        if policy.mode != TlsMode::Plaintext {
            rest += ", TLS ";
            rest += &policy.versions();
        }
        rest += if relay.credentials.is_some() {
            ", authenticates"
        } else {
            ", does not authenticate"
        };
        if config.relay.default.as_ref() == Some(&relay.name) {
            rest += ", default";
        }
        line("relay", &rest);
    }
    for route in &config.relay.routes {
        line("route", &format!("{} -> {}", route.domain, route.relay));
    }
    for allowed in &config.relay.custom.allow {
        let ports: Vec<_> = allowed.ports.iter().map(u16::to_string).collect();
        let ports = match ports.as_slice() {
            [] => "any port".to_owned(),
            ports => format!("port {}", ports.join(", ")),
        };
        line("custom", &format!("{}, {ports}", allowed.host));
    }
    for warning in &config.warnings {
        line("warning", warning);
    }
    text
}

fn valid_json(config: &Config) -> Value {
    let relays = config.relay.relays.iter().map(|relay| {
        let policy = Policy::of(config, relay);
        json!({
            "name": relay.name.as_str(),
            "host": host(&relay.host),
            "port": relay.port,
            "tls_mode": policy.mode.to_string(),
            "min_tls_version": version(policy.min_version),
            "max_tls_version": version(policy.max_version),
            "authenticates": relay.credentials.is_some(),
            "default": config.relay.default.as_ref() == Some(&relay.name),
        })
    });
    let routes = config
        .relay
        .routes
        .iter()
        .map(|route| json!({ "domain": route.domain, "relay": route.relay.as_str() }));
    let custom = config
        .relay
        .custom
        .allow
        .iter()
        .map(|allowed| json!({ "host": allowed.host, "ports": allowed.ports }));
    json!({
        "valid": true,
        "listen": config.server.listen.to_string(),
        "relays": relays.collect::<Vec<_>>(),
        "routes": routes.collect::<Vec<_>>(),
        "custom_relays": custom.collect::<Vec<_>>(),
        "warnings": config.warnings,
    })
}

/// What a relay's merged settings come to.
struct Policy {
    mode: TlsMode,
    min_version: Version,
    max_version: Version,
}

impl Policy {
    fn of(config: &Config, relay: &Relay) -> Self {
        let merged: tls::Settings = config.relay.tls.clone().merge(relay.tls.clone());
        Self {
            mode: merged.mode.unwrap_or(TlsMode::of_port(relay.port)),
            min_version: merged.min_version.unwrap_or(Version::Tls12),
            max_version: merged.max_version.unwrap_or(Version::Tls13),
        }
    }

    fn versions(&self) -> String {
        if self.min_version == self.max_version {
            version(self.min_version).to_owned()
        } else {
            format!(
                "{} to {}",
                version(self.min_version),
                version(self.max_version)
            )
        }
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::Tls12 => "1.2",
        Version::Tls13 => "1.3",
    }
}

fn endpoint(relay: &Relay) -> String {
    match &relay.host {
        Host::Ip(ip) => SocketAddr::new(*ip, relay.port).to_string(),
        Host::Name(name) => format!("{name}:{}", relay.port),
    }
}

fn host(host: &Host) -> String {
    match host {
        Host::Name(name) => name.clone(),
        Host::Ip(ip) => ip.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::load, *};

    #[test]
    fn a_valid_configuration_is_summed_up() {
        let config = load(&[
            "--set=relays.a.host=a.example",
            "--set=relays.a.port=465",
            "--set=relays.b.host=::1",
            "--set=relays.b.tls.mode=plaintext",
            "--set=tls.min_version=1.3",
            "--set=default_relay=b",
            "--set=routes=[{\"domain\": \"*.example.com\", \"relay\": \"a\"}]",
            "--set=custom_relays.allow=[{\"host\": \"*\", \"ports\": [25, 465]}]",
            "--listen=127.0.0.1:0",
        ])
        .unwrap();
        assert_eq!(
            valid(&config),
            "configuration is valid\n\
             \x20 listen   127.0.0.1:0\n\
             \x20 relay    a at a.example:465, implicit, TLS 1.3, does not authenticate\n\
             \x20 relay    b at [::1]:587, plaintext, does not authenticate, default\n\
             \x20 route    *.example.com -> a\n\
             \x20 custom   *, port 25, 465\n\
             \x20 warning  `relays.b.tls.mode` is `plaintext`: mails travel unencrypted, on this \
             machine\n"
        );
        let json = valid_json(&config);
        assert_eq!(json["relays"][0]["min_tls_version"], "1.3");
        assert_eq!(json["relays"][1]["default"], true);
        assert_eq!(json["routes"][0]["relay"], "a");
        assert_eq!(json["valid"], true);
    }
}
