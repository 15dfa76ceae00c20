//! `posthaste config`: looks at a configuration without serving it. Shows no
//! secret: it is given none.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use serde_json::{Value, json};

use crate::config::{self, ConfigError, Sources};

mod check;

/// `posthaste config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say whether the configuration is valid.
    ///
    /// Reads it as `serve` would, with every file that it names, and opens no
    /// connection. Tells every mistake at once, with the file and the line, the
    /// variable or the flag. Ends with 0 when the configuration is valid and
    /// with 1 when it is not.
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check(Read),

    /// Print what every key comes to, and where that is from.
    ///
    /// Prints TOML, with the source of each value as a comment: the default,
    /// file and line, the variable or the flag. Of a secret, only the path of
    /// its file is printed; a user name is not, since some relays take a token
    /// for it. A relay's TLS settings are those that hold, from `[tls]` or its
    /// own. Mistakes are told as `check` tells them.
    #[command(after_long_help = PRINT_EXAMPLES)]
    Print(Read),

    /// Print the JSON Schema of the configuration file.
    ///
    /// It is of draft 2020-12, and for TOML as well as for JSON: editors
    /// complete and check keys by it. It refuses nothing that `check` takes,
    /// but `check` knows more: it reads the files that the configuration
    /// names, and compares settings with one another.
    #[command(after_long_help = SCHEMA_EXAMPLES)]
    Schema,

    /// Print the handbook of every key, in Markdown.
    ///
    /// It is docs/configuration.md, of this version.
    Docs,
}

const CHECK_EXAMPLES: &str = r#"Examples:
  posthaste config check --config posthaste.toml
  posthaste config check --config posthaste.toml --set relays.primary.port=465
  posthaste config check --json | jq -r '.errors[]? | "\(.key): \(.message)"'"#;

const PRINT_EXAMPLES: &str = r#"Examples:
  posthaste config print --config posthaste.toml
  posthaste config print --config posthaste.toml | grep -v '# default'
  posthaste config print --json | jq '."relays.primary.tls.min_version"'"#;

const SCHEMA_EXAMPLES: &str = r#"Examples:
  posthaste config schema > posthaste.schema.json

A TOML file names it in a comment at its top, for Taplo and Even Better TOML:
  #:schema ./posthaste.schema.json

A JSON file names it in a member, which posthaste passes over:
  { "$schema": "./posthaste.schema.json", "relays": {} }"#;

#[derive(Debug, clap::Args)]
struct Read {
    #[command(flatten)]
    source: SourceArgs,

    /// Print JSON, on standard output whether it is valid or not.
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

/// What a command says, and whether it ends well.
struct Output {
    text: String,
    is_good: bool,
    /// Whether the text is what was asked for, be it good or bad.
    is_result: bool,
}

impl Output {
    fn good(text: String) -> Self {
        Self {
            text,
            is_good: true,
            is_result: true,
        }
    }
}

/// Runs it: 0 when the configuration is valid, 1 when it is not.
pub fn run(args: Args) -> ExitCode {
    let output = match args.command {
        Command::Check(Read { source, json }) => {
            check::output(&config::load(&source.into_sources()), json)
        }
        Command::Print(Read { source, json }) => print(&source.into_sources(), json),
        Command::Schema => Output::good(lines(&config::schema())),
        Command::Docs => Output::good(config::handbook()),
    };
    // Nobody is left to tell when the output is closed.
    let _ = if output.is_result {
        io::stdout().write_all(output.text.as_bytes())
    } else {
        io::stderr().write_all(output.text.as_bytes())
    };
    if output.is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print(sources: &Sources, json: bool) -> Output {
    match config::effective(sources) {
        Ok(effective) if json => Output::good(lines(&effective.to_json())),
        Ok(effective) => Output::good(effective.to_toml()),
        Err(error) => refused(&error, json),
    }
}

fn lines(json: &Value) -> String {
    format!("{json:#}\n")
}

fn refused(error: &ConfigError, json: bool) -> Output {
    Output {
        text: if json {
            lines(&invalid_json(error))
        } else {
            invalid(error)
        },
        is_good: false,
        is_result: json,
    }
}

fn invalid(error: &ConfigError) -> String {
    let problems = error.problems().len();
    let noun = if problems == 1 { "error" } else { "errors" };
    format!("{error}\nconfiguration is not valid: {problems} {noun}\n")
}

fn invalid_json(error: &ConfigError) -> Value {
    let problems = error.problems().iter().map(|problem| {
        let mut object = problem.origin.to_json();
        object["key"] = json!(problem.key);
        object["message"] = json!(problem.message);
        object
    });
    json!({ "valid": false, "errors": problems.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::Config;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    pub(super) fn load(flags: &[&str]) -> Result<Config, ConfigError> {
        let arguments = ["posthaste", "check"].iter().chain(flags);
        let Command::Check(check) = Program::parse_from(arguments).args.command else {
            panic!("not what was asked for");
        };
        config::load(&check.source.into_sources())
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
