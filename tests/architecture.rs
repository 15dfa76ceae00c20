//! The dependency rule, held over the text of `src/`.
//!
//! A room is a module at the top of the crate. [`ROOMS`] says which rooms each
//! may name, and [`PLACES`] which rooms may name what lies outside the crate.
//! Unit tests keep to both, but for `testrelay`, which those of any room may
//! name.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on panics"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each room, and the rooms that it may name. `mail` and `report` come with
/// every one but themselves.
const ROOMS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("bin", &["faultd"]),
    ("faultd", &["testrelay"]),
    (
        "cli",
        &[
            "server",
            "api",
            "config",
            "relay",
            "smtp",
            "tls",
            "telemetry",
            "testrelay",
        ],
    ),
    (
        "server",
        &["api", "config", "sender", "relay", "telemetry", "tls"],
    ),
    ("api", &["sender", "relay", "smtp", "tls", "mime"]),
    ("sender", &["mime", "relay", "smtp", "tls"]),
    ("config", &["relay", "smtp", "tls"]),
    ("relay", &["smtp", "tls"]),
    ("mime", &["smtp"]),
    ("smtp", &["tls"]),
    ("tls", &[]),
    ("testrelay", &[]),
    ("telemetry", &["config"]),
    ("report", &["mail"]),
    ("mail", &[]),
];

/// Those that are programs and no modules.
const PROGRAMS: [&str; 2] = ["main", "bin"];

const SHARED: [&str; 2] = ["mail", "report"];

/// Something outside the crate that only some rooms may name.
struct Place {
    /// Any of these in a line of code is a use of it.
    names: &'static [&'static str],
    /// Rooms, or files below `src/`.
    allowed: &'static [&'static str],
    why: &'static str,
}

const PLACES: &[Place] = &[
    Place {
        names: &[
            "tonic::",
            "tonic_health",
            "tonic_prost",
            "tonic_reflection",
            "tonic_types",
            "prost::",
            "prost_types",
            "prost_reflect",
        ],
        allowed: &["api"],
        why: "only `api` names tonic, prost and generated types",
    },
    Place {
        names: &["api::pb"],
        allowed: &["api"],
        why: "generated types stay in `api`; the command line has `api::client`",
    },
    Place {
        names: &[
            "std::fs",
            "tokio::fs",
            "fs::read",
            "fs::write",
            "File::open",
            "File::create",
        ],
        allowed: &["config", "cli", "testrelay", "faultd"],
        why: "only `config` reads files (`cli` reads mails, `testrelay` keeps them, and \
              `faultd` writes certificates)",
    },
    Place {
        names: &["std::env", "env::var"],
        allowed: &["config"],
        why: "only `config` reads the environment",
    },
    Place {
        names: &[
            "tokio::net",
            "std::net::Tcp",
            "TcpStream",
            "TcpListener",
            "TcpSocket",
        ],
        allowed: &["smtp", "server", "testrelay", "faultd", "cli"],
        why: "only `smtp` opens sockets to relays; `server` and `testrelay` accept them, \
              `cli` binds the listener that `server` is given, and `faultd` keeps a port closed",
    },
    Place {
        names: &["rustls::", "tokio_rustls"],
        allowed: &["tls", "testrelay", "faultd", "config"],
        why: "only `tls` knows the TLS library (`config` checks keys and certificates with it)",
    },
    Place {
        names: &["hickory_resolver"],
        allowed: &["smtp"],
        why: "only `smtp` resolves names",
    },
    Place {
        names: &["lettre::"],
        allowed: &["mail", "mime"],
        why: "lettre composes messages, and nothing else",
    },
    Place {
        names: &["expose_secret", "ExposeSecret"],
        allowed: &["smtp", "config", "cli", "api/client.rs"],
        why: "secrets leave their wrapper only where they are sent",
    },
    Place {
        names: &["println!", "eprintln!", "print!(", "eprint!("],
        allowed: &["main", "cli", "faultd"],
        why: "only the command line writes to the terminal; the others log",
    },
];

/// A line of code, without its comment and what strings hold.
struct Line {
    number: usize,
    code: String,
    /// Within a module of unit tests.
    is_test: bool,
}

#[test]
fn every_room_names_only_what_it_may() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    assert!(files.len() > 20, "only {} files were found", files.len());

    let files: Vec<_> = files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(&src).unwrap().to_str().unwrap();
            (path, fs::read_to_string(file).unwrap())
        })
        .collect();
    let of_tests: Vec<_> = files
        .iter()
        .flat_map(|(path, text)| modules_of_tests(path, text))
        .collect();
    let mut breaches = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| *path != "lib.rs") {
        breaches.extend(check(path, text, is_one_of(&of_tests, path)));
    }
    assert!(
        breaches.is_empty(),
        "{} breaches of the rule (ARCHITECTURE.md):\n{}",
        breaches.len(),
        breaches.join("\n")
    );
}

#[test]
fn the_table_has_every_room_and_no_circle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).unwrap();
    let modules: Vec<_> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let rooms: Vec<_> = ROOMS.iter().map(|(room, _)| *room).collect();
    for module in &modules {
        assert!(rooms.contains(module), "ROOMS lacks `{module}`");
    }
    for room in rooms.iter().filter(|room| !PROGRAMS.contains(room)) {
        assert!(modules.contains(room), "ROOMS has `{room}`, which is gone");
        assert!(!reaches(room, room), "`{room}` depends on itself");
    }
}

/// Whether `from` may come to name `to`, over any number of rooms.
fn reaches(from: &str, to: &str) -> bool {
    allowed(from)
        .iter()
        .any(|room| room == &to || reaches(room, to))
}

fn allowed(room: &str) -> Vec<&'static str> {
    let (_, below) = ROOMS
        .iter()
        .find(|(name, _)| *name == room)
        .unwrap_or_else(|| panic!("ROOMS lacks `{room}`"));
    let shared = SHARED.iter().filter(|_| !SHARED.contains(&room));
    below.iter().chain(shared).copied().collect()
}

/// Every breach in the file at `path` (below `src/`), as `path:line: what`.
fn check(path: &str, text: &str, is_test: bool) -> Vec<String> {
    let room = path.split(['/', '.']).next().unwrap();
    let may_name = allowed(room);
    let mut breaches = Vec::new();
    for line in code(text) {
        let is_test = is_test || line.is_test;
        let mut breach = |what: String| {
            breaches.push(format!("src/{path}:{}: {what}", line.number));
        };
        for named in rooms_named(&line.code) {
            let is_test_relay = is_test && named == "testrelay";
            if named != room && !may_name.contains(&named.as_str()) && !is_test_relay {
                breach(format!("`{room}` may not name `{named}`"));
            }
        }
        for place in PLACES {
            let is_allowed = place.allowed.iter().any(|a| *a == room || *a == path);
            if let Some(name) = place.names.iter().find(|name| has(&line.code, name))
                && !is_allowed
            {
                breach(format!("`{name}`: {}", place.why));
            }
        }
    }
    breaches
}

/// Whether `code` has `name`, not as the end of a longer identifier.
fn has(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        !code[..at]
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

/// The lines of code. A `use` that spans lines is one.
fn code(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut in_use = false;
    let mut is_test = false;
    for (index, (line, is_for_tests)) in with_cfg(text).enumerate() {
        is_test |= is_for_tests && module(line).is_some_and(|(_, is_here)| is_here);
        let code = without_comment(line);
        let starts_use = ["use ", "pub use "]
            .iter()
            .any(|start| code.trim_start().starts_with(start));
        match lines.last_mut() {
            Some(last) if in_use => last.code.push_str(code.trim()),
            _ => lines.push(Line {
                number: index + 1,
                code: code.clone(),
                is_test,
            }),
        }
        in_use = (in_use || starts_use) && !code.contains(';');
        // As rustfmt has it, nothing else within begins so.
        is_test &= line != "}";
    }
    lines
}

/// The modules of tests that the file at `path` declares, as paths below
/// `src/` without `.rs`.
fn modules_of_tests(path: &str, text: &str) -> Vec<String> {
    let path = path.strip_suffix(".rs").unwrap();
    let folder = path
        .strip_suffix("mod")
        .unwrap_or(path)
        .trim_end_matches('/');
    with_cfg(text)
        .filter(|(_, is_for_tests)| *is_for_tests)
        .filter_map(|(line, _)| module(line))
        .filter(|(_, is_here)| !is_here)
        .map(|(name, _)| format!("{folder}/{name}"))
        .collect()
}

/// Whether the file at `path` is one of `modules`, or within one.
fn is_one_of(modules: &[String], path: &str) -> bool {
    modules.iter().any(|module| {
        path.strip_prefix(module.as_str())
            .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    })
}

/// Each line, and whether the attributes above it keep it for tests.
fn with_cfg(text: &str) -> impl Iterator<Item = (&str, bool)> {
    text.lines().scan(false, |is_for_tests, line| {
        let above = *is_for_tests;
        let is_attribute = line.starts_with("#[");
        *is_for_tests = is_attribute && (above || line == "#[cfg(test)]");
        Some((line, above))
    })
}

/// The name of a module that `line` begins or declares, and whether its text
/// is here.
fn module(line: &str) -> Option<(&str, bool)> {
    let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
    let rest = line.strip_prefix("mod ")?;
    match rest.strip_suffix(';') {
        Some(name) => Some((name, false)),
        None => Some((rest.split(' ').next()?, true)),
    }
}

/// The line without a comment, and with strings emptied.
fn without_comment(line: &str) -> String {
    let mut code = String::new();
    let mut in_string = false;
    let line = line.replace("'\"'", "' '");
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if in_string => {
                chars.next();
            }
            '"' => {
                in_string = !in_string;
                code.push(c);
            }
            '/' if !in_string && chars.peek() == Some(&'/') => break,
            _ if in_string => {}
            _ => code.push(c),
        }
    }
    code
}

/// The rooms in `crate::room`, `crate::{room, room::{..}}` and, in `main`,
/// `posthaste::room`.
fn rooms_named(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for root in ["crate::", "posthaste::"] {
        for (at, _) in code.match_indices(root).filter(|_| has(code, root)) {
            let rest = &code[at + root.len()..];
            match rest.strip_prefix('{') {
                Some(list) => rooms.extend(heads(list)),
                None => rooms.extend(identifier(rest)),
            }
        }
    }
    rooms
}

/// The first identifier of each item at the top level of a `use` list.
fn heads(list: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut heads = Vec::new();
    let mut at_start = true;
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            c if c.is_whitespace() => {}
            _ => {
                if at_start {
                    heads.extend(identifier(&list[at..]));
                }
                at_start = false;
            }
        }
    }
    heads
}

fn identifier(text: &str) -> Option<String> {
    let name: String = text
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    // A macro or a type at the root of the crate is not a room.
    name.starts_with(|c: char| c.is_ascii_lowercase())
        .then_some(name)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn the_check_finds_what_it_is_for() {
    let planted = [
        ("tls/handshake.rs", "use crate::smtp::Host;"),
        ("smtp/mod.rs", "use crate::{mail::Broken, sender::Order};"),
        (
            "smtp/mod.rs",
            "use crate::{\n    tls,\n    relay::{Route, Relay},\n};",
        ),
        (
            "relay/mod.rs",
            "fn f() -> crate::config::Config { todo!() }",
        ),
        ("mail/rule.rs", "use crate::report;"),
        ("main.rs", "use posthaste::{cli, sender};"),
        (
            "sender/mod.rs",
            "fn code() -> tonic::Code { tonic::Code::Ok }",
        ),
        ("cli/send.rs", "use crate::api::pb::Mail;"),
        ("relay/mod.rs", "let file = std::fs::read(path)?;"),
        ("tls/mod.rs", "std::env::var(\"SSL_CERT_FILE\")"),
        ("relay/pool.rs", "use tokio::net::TcpStream;"),
        ("sender/mod.rs", "secret.expose_secret()"),
        ("smtp/data.rs", "println!(\"{body}\");"),
        ("smtp/mod.rs", "match rustls::Error::from(error) {}"),
        (
            "mime/raw.rs",
            "#[cfg(test)]\nuse std::io;\nlet quote = '\"'; crate::relay::f();",
        ),
        (
            "smtp/mod.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::{sender, testrelay};\n}",
        ),
        (
            "smtp/mod.rs",
            "#[cfg(test)]\nmod tests {\n}\n\nuse crate::testrelay;",
        ),
        (
            "smtp/mod.rs",
            "#[cfg(test)]\nmod tests;\nuse crate::testrelay;",
        ),
        (
            "smtp/mod.rs",
            "#[cfg(feature = \"testrelay\")]\nmod tests {\n    use crate::testrelay;\n}",
        ),
    ];
    for (path, text) in planted {
        assert_eq!(check(path, text, false).len(), 1, "{path}: {text}");
    }

    let fine = [
        (
            "smtp/mod.rs",
            "use crate::{mail::Broken, report, tls::{self, relay}};",
        ),
        (
            "smtp/mod.rs",
            "// crate::sender decides, over tonic::Status.",
        ),
        (
            "smtp/mod.rs",
            "let text = \"crate::sender // println!\"; f(text)",
        ),
        (
            "smtp/mod.rs",
            "#[cfg(test)]\n#[cfg(unix)]\nmod tests {\n    use crate::testrelay;\n}",
        ),
        ("smtp/connect.rs", "use tokio::net::TcpStream;"),
        ("api/status.rs", "use tonic::Status;"),
        ("sender/mod.rs", "let cpu = my_tonic::x();"),
        ("cli/send.rs", "use crate::api::client;"),
    ];
    for (path, text) in fine {
        assert_eq!(check(path, text, false), [""; 0], "{path}: {text}");
    }

    let spread = "use std::fmt;\n\nuse crate::{\n    report,\n    sender,\n};\n";
    assert_eq!(
        check("tls/mod.rs", spread, false),
        ["src/tls/mod.rs:3: `tls` may not name `sender`"]
    );
}

#[test]
fn files_of_tests_are_those_that_only_tests_declare() {
    let text = "#[cfg(test)]\npub(crate) mod fixture;\nmod real;\n#[cfg(test)]\n#[cfg(unix)]\nmod tests;\n";
    let modules = modules_of_tests("smtp/mod.rs", text);
    assert_eq!(modules, ["smtp/fixture", "smtp/tests"]);
    assert_eq!(modules_of_tests("smtp/data.rs", text)[1], "smtp/data/tests");
    for (path, is_test) in [
        ("smtp/fixture.rs", true),
        ("smtp/tests/mod.rs", true),
        ("smtp/real.rs", false),
        ("smtp/fixtures.rs", false),
        ("tls/tests.rs", false),
    ] {
        assert_eq!(is_one_of(&modules, path), is_test, "{path}");
    }
    let uses = "use crate::testrelay;";
    assert_eq!(check("smtp/fixture.rs", uses, true), [""; 0]);
    assert_eq!(check("smtp/fixture.rs", uses, false).len(), 1);
}
