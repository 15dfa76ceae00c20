//! `posthaste config`: looks at a configuration without serving it. Shows no
//! secret: it is given none.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use serde_json::{Value, json};

use crate::{
    config::{self, Config, ConfigError, Origin, Sources},
    relay::Relay,
    report::TlsMode,
    smtp::Host,
    tls::{self, Version},
};

/// `posthaste config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Reads the configuration with every file that it names, and says whether
    /// it is valid. Opens no connection.
    Check(Check),
}

#[derive(Debug, clap::Args)]
struct Check {
    #[command(flatten)]
    source: SourceArgs,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Where the configuration comes from, for every command that reads it.
#[derive(Clone, clap::Args)]
pub struct SourceArgs {
    /// The configuration file, TOML or JSON by its extension; the one that
    /// POSTHASTE_CONFIG names when this is not given.
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,

    /// Set one key, such as `relays.primary.port=465`. May be repeated; wins
    /// over the environment and the file.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,

    /// The same as `--set server.listen=ADDRESS`.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

impl SourceArgs {
    /// The sources of this process under these flags.
    pub fn into_sources(self) -> Sources {
        let listen = self
            .listen
            .map(|address| ("server.listen".to_owned(), address.to_string()));
        Sources::from_process(self.config, self.set.into_iter().chain(listen).collect())
    }
}

impl std::fmt::Debug for SourceArgs {
    /// Keys alone: somebody may have put a secret into a value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<_> = self.set.iter().map(|(key, _)| key).collect();
        f.debug_struct("SourceArgs")
            .field("config", &self.config)
            .field("set", &keys)
            .field("listen", &self.listen)
            .finish()
    }
}

fn key_and_value(text: &str) -> Result<(String, String), &'static str> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
        .ok_or("must be a key, an equals sign and a value")
}

/// Runs it: 0 when the configuration is valid, 1 when it is not.
pub fn run(args: Args) -> ExitCode {
    let Command::Check(Check { source, json }) = args.command;
    let result = config::load(&source.into_sources());
    let is_valid = result.is_ok();
    let text = match (&result, json) {
        (Ok(config), true) => lines(&valid_json(config)),
        (Ok(config), false) => valid(config),
        (Err(error), true) => lines(&invalid_json(error)),
        (Err(error), false) => invalid(error),
    };
    // Nobody is left to tell when the output is closed.
    let _ = if is_valid || json {
        io::stdout().write_all(text.as_bytes())
    } else {
        io::stderr().write_all(text.as_bytes())
    };
    if is_valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn lines(json: &Value) -> String {
    format!("{json:#}\n")
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

fn invalid(error: &ConfigError) -> String {
    let problems = error.problems().len();
    let noun = if problems == 1 { "error" } else { "errors" };
    format!("{error}\nconfiguration is not valid: {problems} {noun}\n")
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

fn invalid_json(error: &ConfigError) -> Value {
    let problems = error.problems().iter().map(|problem| {
        let mut object = match &problem.origin {
            Origin::File { path, line } => {
                json!({ "file": path.display().to_string(), "line": line })
            }
            Origin::Environment(name) => json!({ "variable": name }),
            Origin::Flag(key) => json!({ "flag": key }),
        };
        object["key"] = json!(problem.key);
        object["message"] = json!(problem.message);
        object
    });
    json!({ "valid": false, "errors": problems.collect::<Vec<_>>() })
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
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    fn load(flags: &[&str]) -> Result<Config, ConfigError> {
        let arguments = ["posthaste", "check"].iter().chain(flags);
        let Command::Check(check) = Program::parse_from(arguments).args.command;
        config::load(&check.source.into_sources())
    }

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
             \x20 custom   *, port 25, 465\n"
        );
        let json = valid_json(&config);
        assert_eq!(json["relays"][0]["min_tls_version"], "1.3");
        assert_eq!(json["relays"][1]["default"], true);
        assert_eq!(json["routes"][0]["relay"], "a");
        assert_eq!(json["valid"], true);
    }

    #[test]
    fn each_mistake_has_a_line_or_an_object() {
        let error = load(&["--set=relays.a.prot=1", "--set=x=1"]).unwrap_err();
        let text = invalid(&error);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.ends_with("configuration is not valid: 3 errors\n"));
        let json = invalid_json(&error);
        assert_eq!(json["errors"][1]["flag"], "relays.a.prot");
        assert_eq!(json["errors"][1]["key"], "relays.a.prot");
        assert_eq!(json["valid"], false);
    }

    #[test]
    fn flags_are_debugged_without_their_values() {
        let arguments = [
            "posthaste",
            "check",
            "--set=relays.a.credentials.password=canary",
        ];
        let args = Program::parse_from(arguments).args;
        let shown = format!("{args:?}");
        assert!(shown.contains("relays.a.credentials.password"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
