//! The pages on errors say what the code does.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use posthaste::report::{Class, Fault, Reason, RelayOrigin, Retry};
use strum::IntoEnumIterator as _;

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs")
}

fn page(reason: Reason) -> String {
    let path = docs().join(format!("failures/{}.md", reason.name()));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The failure that its page has for an example.
fn example(reason: Reason) -> serde_json::Value {
    let (page, name) = (page(reason), reason.name());
    let (_, json) = page.split_once("```json\n").expect(name);
    let (json, _) = json.split_once("```").expect(name);
    serde_json::from_str(json).expect(name)
}

/// Status code, fault and retry, as the tables say them.
fn row(reason: Reason) -> String {
    let of = |origin| match reason.fault(origin) {
        Fault::Caller => "caller",
        Fault::Relay => "relay",
        Fault::Network => "network",
        Fault::Operator => "operator",
        Fault::PossibleAttack => "possible attack",
    };
    let fault = match (of(RelayOrigin::Configured), of(RelayOrigin::Custom)) {
        (configured, custom) if configured == custom => configured.to_owned(),
        (configured, custom) => format!("{configured} ({custom})"),
    };
    let (code, retry) = match (reason, reason.retry()) {
        (Reason::DeadlineExceeded, Retry::Later) => ("DEADLINE_EXCEEDED", "later"),
        (Reason::LocalInternal, Retry::AfterFix) => ("INTERNAL", "after a fix"),
        (Reason::OutcomeUnknown, Retry::Never) => ("UNKNOWN", "never"),
        (_, Retry::Later) => ("UNAVAILABLE", "later"),
        (_, Retry::AfterFix) => ("FAILED_PRECONDITION", "after a fix"),
        (_, Retry::Never) => ("FAILED_PRECONDITION", "never"),
    };
    format!("| {code} | {fault} | {retry} |")
}

#[test]
fn every_reason_has_its_page_and_every_page_its_reason() {
    let names: BTreeSet<_> = Reason::iter().map(|r| format!("{}.md", r.name())).collect();
    let pages: BTreeSet<_> = fs::read_dir(docs().join("failures"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, pages);
}

#[test]
fn the_tables_say_what_the_code_says() {
    let index = fs::read_to_string(docs().join("failures.md")).unwrap();
    for reason in Reason::iter() {
        let (name, row) = (reason.name(), row(reason));
        let link = format!("| [{name}](failures/{name}.md) |");
        let lines: Vec<_> = index.lines().filter(|l| l.starts_with(&link)).collect();
        assert_eq!(lines.len(), 1, "{name} in failures.md");
        assert!(lines[0].ends_with(&row), "{name}: {row} in {}", lines[0]);

        let page = page(reason);
        assert!(page.starts_with(&format!("# {name}\n")), "{name}: title");
        let stage = row.trim_end_matches('|').to_owned();
        assert!(page.contains(&stage), "{name}: {row} on its page");
    }
}

/// The heading that a reason stands under.
fn heading(reason: Reason) -> &'static str {
    match reason.class() {
        Class::Reach => "Reaching the relay",
        Class::Port => "The port and its mode",
        Class::Talk => "Greeting and replies",
        Class::Starttls => "STARTTLS",
        Class::Negotiation => "TLS negotiation",
        Class::Certificate => "The relay's certificate",
        Class::Identity => "Our certificate",
        Class::Auth => "AUTH",
        Class::Mail | Class::Deadline => "The mail",
        Class::Here | Class::Defect => "This end",
    }
}

#[test]
fn each_reason_stands_with_those_of_its_class() {
    let index = fs::read_to_string(docs().join("failures.md")).unwrap();
    for section in index.split("\n## ").skip(1) {
        let (title, rows) = section.split_once('\n').unwrap();
        for reason in Reason::iter() {
            let stands_here = rows.contains(&format!("\n| [{}]", reason.name()));
            assert_eq!(
                stands_here,
                heading(reason) == title,
                "{reason:?} in {title}"
            );
        }
    }
}

#[test]
fn the_examples_are_the_failures_that_they_are_on_the_page_of() {
    for reason in Reason::iter() {
        let name = reason.name();
        let example = example(reason);
        assert_eq!(example["reason"], format!("REASON_{name}"));
        let fault = match reason.fault(RelayOrigin::Configured) {
            Fault::Caller => "FAULT_CALLER",
            Fault::Relay => "FAULT_RELAY",
            Fault::Network => "FAULT_NETWORK",
            Fault::Operator => "FAULT_OPERATOR",
            Fault::PossibleAttack => "FAULT_POSSIBLE_ATTACK",
        };
        assert_eq!(example["fault"], fault, "{name}");
        let retry = match reason.retry() {
            Retry::AfterFix => "RETRY_AFTER_FIX",
            Retry::Later => "RETRY_LATER",
            Retry::Never => "RETRY_NEVER",
        };
        assert_eq!(example["retry"], retry, "{name}");
        let stage = example["stage"].as_str().expect(name);
        let stage = stage.strip_prefix("SMTP_STAGE_").expect(name);
        assert!(
            posthaste::report::Stage::iter().any(|s| s.name() == stage),
            "{name}: {stage}"
        );
    }
}

/// The octets that an example shows, and those that its summary tells of.
#[test]
fn the_examples_show_what_came_in_the_place_of_a_reply() {
    let mut shown = Vec::new();
    for reason in Reason::iter() {
        let name = reason.name();
        let example = example(reason);
        let places = [&example["firstBytes"], &example["tls"]["firstBytes"]];
        let Some(octets) = places.into_iter().find_map(|it| it.as_str()) else {
            continue;
        };
        let octets = BASE64_STANDARD.decode(octets).expect(name);
        assert!((1..=64).contains(&octets.len()), "{name}");
        let summary = example["summary"].as_str().expect(name);
        let line = octets.split(|it| matches!(it, b'\r' | b'\n')).next();
        let line = String::from_utf8_lossy(line.unwrap_or_default());
        let start: String = line.chars().take(40).collect();
        let hex = octets.iter().take(8).fold(String::new(), |mut hex, it| {
            write!(hex, "{it:02x}").unwrap();
            hex
        });
        let is_told = [format!("\"{start}"), format!("0x{hex}")];
        assert!(is_told.iter().any(|it| summary.contains(it)), "{name}");
        shown.push(reason);
    }
    let owed = [
        Reason::PlaintextOnTlsPort,
        Reason::NotSmtp,
        Reason::NotTls,
        Reason::ReplyMalformed,
        Reason::ReplyTooLarge,
        Reason::StarttlsInjection,
        Reason::StarttlsNoTls,
    ];
    assert_eq!(shown, owed);
}

/// What a page has its reader stage is what the page is about.
#[test]
fn the_pages_stage_their_failures_with_cases_that_exist() {
    let cases = posthaste::faultd::catalogue();
    for reason in Reason::iter() {
        let (name, page) = (reason.name(), page(reason));
        let staged: Vec<_> = page
            .match_indices("--case ")
            .map(|(at, option)| {
                let rest = &page[at + option.len()..];
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
                &rest[..end.unwrap_or(rest.len())]
            })
            .collect();
        for case in &staged {
            assert!(cases.iter().any(|it| it.name == *case), "{name}: {case}");
        }
        let is_a_relays_doing = posthaste::faultd::exception(reason).is_none();
        let stages_it = cases
            .iter()
            .any(|it| it.reason == Some(reason) && staged.contains(&it.name.as_str()));
        assert!(stages_it || !is_a_relays_doing, "{name}: {staged:?}");
    }
}

/// What a page says of how to fix it, up to the next heading.
fn cure(page: &str) -> &str {
    let (_, rest) = page.split_once("\n## How to fix it\n").unwrap();
    rest.split("\n## ").next().unwrap()
}

/// Whether the relay, its setup or its administrator may have a part in it.
fn may_lie_with_the_relay(reason: Reason) -> bool {
    match reason.class() {
        Class::Deadline | Class::Here | Class::Defect => false,
        // Whoever is not found has said nothing.
        Class::Reach => !matches!(reason, Reason::DnsNotFound | Reason::DnsTemporary),
        _ => true,
    }
}

/// A fix for an administrator begins with the name of what they run: an item
/// of the list that starts with it, in bold letters.
#[test]
fn the_pages_say_how_to_fix_it_on_each_kind_of_relay() {
    const PROVIDERS: [&str; 7] = [
        "Amazon SES",
        "Brevo",
        "Gmail",
        "Google Workspace",
        "Mailgun",
        "Microsoft 365",
        "SendGrid",
    ];
    let mut missing = Vec::new();
    for reason in Reason::iter().filter(|it| may_lie_with_the_relay(*it)) {
        let page = page(reason);
        let cure = cure(&page);
        let items: Vec<_> = cure.split("\n- ").skip(1).collect();
        let head = |item: &&str| {
            let bold = item.strip_prefix("**")?;
            bold.split_once("**").map(|(head, _)| head.to_owned())
        };
        let heads: Vec<_> = items.iter().filter_map(head).collect();
        for product in ["Postfix", "Exim", "Exchange Server"] {
            if !heads.iter().any(|head| head.contains(product)) {
                missing.push(format!("{}: {product}", reason.name()));
            }
        }
        let names_one = |text: &str| PROVIDERS.iter().any(|provider| text.contains(provider));
        let heads_one = heads.iter().any(|head| names_one(head));
        let lists = |item: &&str| item.starts_with("**Providers") && names_one(item);
        if !heads_one && !items.iter().any(lists) {
            missing.push(format!("{}: no provider", reason.name()));
        }
    }
    assert!(
        missing.is_empty(),
        "{}:\n{}",
        missing.len(),
        missing.join("\n")
    );
}

/// Every setting that stands in the text between backticks.
fn settings(text: &str) -> impl Iterator<Item = &str> {
    let sections = ["relays.NAME.", "server.", "custom_relays."];
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(move |code| sections.iter().any(|section| code.starts_with(section)))
}

#[test]
fn the_pages_name_settings_that_exist() {
    let handbook = fs::read_to_string(docs().join("configuration.md")).unwrap();
    let keys: Vec<_> = settings(&handbook).collect();
    let exists = |setting: &str| {
        keys.iter().any(|key| {
            // A section stands for the keys in it.
            key.strip_prefix(setting)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    };
    let mut count = 0;
    for reason in Reason::iter() {
        let page = page(reason).replace("```", "");
        for setting in settings(&page) {
            assert!(exists(setting), "{}: `{setting}`", reason.name());
            count += 1;
        }
    }
    assert!(count > 50, "only {count} settings were found");
    let index = fs::read_to_string(docs().join("failures.md")).unwrap();
    for setting in settings(&index) {
        assert!(exists(setting), "failures.md: `{setting}`");
    }
}
