//! The kinds of values that settings take: each from a node to the domain's
//! type, or a fragment that says what it must be, with the shape that the
//! handbook and the schema tell.

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration};

use rustls_pki_types::ServerName;
use strum::VariantNames;

use super::{
    shape::{Disclosure, Form, Shape, duration_text, resolved, size_text},
    value::{Node, Value},
};
use crate::{
    mail::{Address, Broken},
    relay::RelayName,
    smtp::Host,
    tls::{KeyPin, Version},
};

/// How a value is understood, and what it looks like.
pub(super) struct Kind<'k, T> {
    pub(super) shape: Shape,
    parse: Parse<'k, T>,
}

type Parse<'k, T> = Box<dyn Fn(&Node) -> Result<T, String> + 'k>;

impl<'k, T: 'k> Kind<'k, T> {
    pub(super) fn new(shape: Shape, parse: impl Fn(&Node) -> Result<T, String> + 'k) -> Self {
        Self {
            shape,
            parse: Box::new(parse),
        }
    }

    /// The value, or a fragment that says what is wrong with `node`.
    pub(super) fn parse(&self, node: &Node) -> Result<T, String> {
        (self.parse)(node)
    }

    /// What `make` makes of it.
    pub(super) fn then<U: 'k>(self, make: impl Fn(T) -> Result<U, String> + 'k) -> Kind<'k, U> {
        Kind::new(self.shape, move |node| make((self.parse)(node)?))
    }

    /// Never to be shown, as it may be a secret.
    pub(super) fn hidden(mut self) -> Self {
        self.shape.disclosure = Disclosure::Hidden;
        self
    }
}

fn expected<T>(what: &str, node: &Node) -> Result<T, String> {
    Err(format!("must be {what}, not {}", node.describe()))
}

fn text(node: &Node) -> Result<String, String> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        _ => expected("a text in quotes", node),
    }
}

/// A text on one line that `parse` understands.
pub(super) fn line<'k, T: 'k>(
    words: &str,
    length: RangeInclusive<usize>,
    parse: impl Fn(&str, &Node) -> Result<T, String> + 'k,
) -> Kind<'k, T> {
    Kind::new(Shape::new(words, Form::Line(length, None)), move |node| {
        parse(&text(node)?, node)
    })
}

pub(super) fn boolean() -> Kind<'static, bool> {
    Kind::new(
        Shape::new("`true`, `false`", Form::Boolean),
        |node| match &node.value {
            Value::Boolean(value) => Ok(*value),
            Value::Text(text) if node.origin.is_untyped() && text == "true" => Ok(true),
            Value::Text(text) if node.origin.is_untyped() && text == "false" => Ok(false),
            _ => expected("`true` or `false`", node),
        },
    )
}

fn whole_number(node: &Node) -> Option<usize> {
    match &node.value {
        Value::Integer(value) => usize::try_from(*value).ok(),
        Value::Text(text) if node.origin.is_untyped() => text.parse().ok(),
        _ => None,
    }
}

/// A whole number within `range`.
pub(super) fn count(range: RangeInclusive<usize>) -> Kind<'static, usize> {
    let words = format!("whole number, {} to {}", range.start(), range.end());
    Kind::new(
        Shape::new(words, Form::Integer(range.clone())),
        move |node| match whole_number(node) {
            Some(number) if range.contains(&number) => Ok(number),
            _ => {
                let what = format!("a whole number from {} to {}", range.start(), range.end());
                expected(&what, node)
            }
        },
    )
}

pub(super) fn port() -> Kind<'static, u16> {
    Kind::new(
        Shape::new("1 to 65535", Form::Integer(1..=65535)),
        |node| match whole_number(node).map(u16::try_from) {
            Some(Ok(port)) if port > 0 => Ok(port),
            _ => expected("a port from 1 to 65535", node),
        },
    )
}

/// A number of bytes, or a text such as `48MiB`.
pub(super) fn size(range: RangeInclusive<usize>) -> Kind<'static, usize> {
    let [least, most] = [range.start(), range.end()].map(|bytes| size_text(*bytes as u64));
    Kind::new(
        Shape::new(
            format!("size, {least} to {most}"),
            Form::Size(range.clone()),
        ),
        move |node| {
            let bytes = match &node.value {
                Value::Text(text) => parse_size(text),
                _ => whole_number(node),
            };
            match bytes {
                Some(bytes) if range.contains(&bytes) => Ok(bytes),
                Some(_) => {
                    let what = format!("{} to {} bytes", range.start(), range.end());
                    expected(&what, node)
                }
                None => expected("a number of bytes or a size such as `48MiB`", node),
            }
        },
    )
}

fn parse_size(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let factor = match unit.trim_start() {
        "" | "B" => 1,
        "kB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(factor)
}

pub(super) fn duration(range: RangeInclusive<Duration>) -> Kind<'static, Duration> {
    let [least, most] = [range.start(), range.end()].map(|duration| duration_text(*duration));
    Kind::new(
        Shape::new(format!("duration, {least} to {most}"), Form::Duration),
        move |node| {
            let duration = match &node.value {
                Value::Text(text) => humantime::parse_duration(text).ok(),
                _ => None,
            };
            match duration {
                Some(duration) if range.contains(&duration) => Ok(duration),
                Some(_) => expected(&format!("from {least} to {most}"), node),
                None => expected("a duration with its unit, such as `30s`", node),
            }
        },
    )
}

pub(super) fn listen() -> Kind<'static, SocketAddr> {
    const PATTERN: &str =
        r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:.]+(%[0-9]+)?\]):[0-9]{1,5}$";
    Kind::new(
        Shape::new("IP address and port", Form::Line(1..=80, Some(PATTERN))),
        |node| {
            let what = "an IP address and a port, such as `127.0.0.1:50051`";
            parsed(node).or_else(|()| expected(what, node))
        },
    )
}

/// One of `choices`, as a file writes them.
fn choice<'k, T: 'k>(
    choices: &[&'static str],
    parse: impl Fn(&Node) -> Result<T, String> + 'k,
) -> Kind<'k, T> {
    let words: Vec<_> = choices.iter().map(|name| format!("`{name}`")).collect();
    Kind::new(
        Shape::new(words.join(", "), Form::Choice(choices.to_vec())),
        parse,
    )
}

pub(super) fn tls_version() -> Kind<'static, Version> {
    choice(&["1.2", "1.3"], |node| match &node.value {
        Value::Text(text) if text == "1.2" => Ok(Version::Tls12),
        Value::Text(text) if text == "1.3" => Ok(Version::Tls13),
        _ => expected("\"1.2\" or \"1.3\"", node),
    })
}

/// One of the names that `T` has.
pub(super) fn one_of<T: FromStr + VariantNames + 'static>() -> Kind<'static, T> {
    choice(T::VARIANTS, |node| {
        parsed(node).or_else(|()| {
            let names: Vec<_> = T::VARIANTS.iter().map(|name| format!("`{name}`")).collect();
            expected(&format!("one of {}", names.join(", ")), node)
        })
    })
}

/// A host name of 1 to 253 characters, or an IP address.
const HOST: RangeInclusive<usize> = 1..=253;

pub(super) fn host() -> Kind<'static, Host> {
    line("host name or IP address", HOST, |text, node| {
        text.parse().map_err(|broken| because(&broken, node))
    })
}

pub(super) fn server_name() -> Kind<'static, ServerName<'static>> {
    line("host name or IP address", HOST, |text, node| {
        let host = text.parse().map_err(|broken| because(&broken, node))?;
        let name = match host {
            Host::Ip(ip) => return Ok(ServerName::from(ip)),
            Host::Name(name) => name,
        };
        ServerName::try_from(name).or_else(|_| expected("a host name or an IP address", node))
    })
}

pub(super) fn key_pin() -> Kind<'static, KeyPin> {
    const PATTERN: &str = "^sha256/[0-9A-Za-z+/]{43}=$";
    let shape = Shape::new("`sha256/` and base64", Form::Line(51..=51, Some(PATTERN)));
    Kind::new(shape, |node| {
        text(node)?.parse().map_err(|broken| because(&broken, node))
    })
}

/// A Domain or an address literal, as RFC 5321 section 4.1.3 has it, names as
/// A-labels.
pub(super) fn domain_or_literal() -> Kind<'static, String> {
    line(
        "host name, or address literal",
        1..=MAX_DOMAIN,
        // The same grammar as after an address's at sign.
        |text, node| match format!("postmaster@{text}").parse::<Address>() {
            Ok(address) => Ok(address.domain().to_owned()),
            Err(_) => expected(
                "a host name, or an address literal such as `[192.0.2.1]`",
                node,
            ),
        },
    )
}

/// No less than an address leaves to its domain, U-labels or not.
const MAX_DOMAIN: usize = Address::MAX_BYTES;

/// A domain name as A-labels, or `*.` and one for the names below it.
pub(super) fn domain_pattern() -> Kind<'static, String> {
    line("domain", 1..=MAX_DOMAIN, parse_domain_pattern)
}

fn parse_domain_pattern(text: &str, node: &Node) -> Result<String, String> {
    let (star, name) = match text.strip_prefix("*.") {
        Some(name) => ("*.", name),
        None => ("", text),
    };
    match format!("postmaster@{name}").parse::<Address>() {
        Ok(address) if !address.domain().starts_with('[') => {
            Ok(format!("{star}{}", address.domain()))
        }
        _ => expected(
            "a domain, or `*.` and a domain for the names below it",
            node,
        ),
    }
}

/// A host, `*.` and a domain, or `*`.
pub(super) fn host_pattern() -> Kind<'static, String> {
    line("host or pattern", 1..=MAX_DOMAIN, |text, node| match text {
        "*" => Ok("*".to_owned()),
        text if text.starts_with("*.") => parse_domain_pattern(text, node),
        text => match text.parse() {
            Ok(Host::Name(name)) => Ok(name),
            Ok(Host::Ip(ip)) => Ok(ip.to_string()),
            Err(broken) => Err(because(&broken, node)),
        },
    })
}

/// What names of relays look like.
pub(super) const RELAY_NAME: &str = "^[a-z][a-z0-9-]{0,62}$";

/// One of `names`.
pub(super) fn relay_name(names: &[RelayName]) -> Kind<'_, RelayName> {
    let shape = Shape::new("name of a relay", Form::Line(1..=63, Some(RELAY_NAME)));
    Kind::new(shape, |node| {
        let text = text(node)?;
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
    })
}

/// The path of a file.
pub(super) fn path() -> Kind<'static, PathBuf> {
    const MAX_BYTES: usize = 4096;
    Kind::new(Shape::new("path", Form::Path(MAX_BYTES)), |node| {
        let text = text(node)?;
        // Not quoted: these are contents, perhaps of a key file.
        if text.is_empty() || text.len() > MAX_BYTES || text.chars().any(char::is_control) {
            return Err("must be the path of a file, not its contents".to_owned());
        }
        Ok(resolved(&text, &node.origin))
    })
}

/// The path of a file whose content is a secret.
pub(super) fn secret_path() -> Kind<'static, PathBuf> {
    let Kind { shape, parse } = path();
    let shape = Shape {
        words: "path of a secret".to_owned(),
        disclosure: Disclosure::SecretFile,
        ..shape
    };
    Kind { shape, parse }
}

fn parsed<T: FromStr>(node: &Node) -> Result<T, ()> {
    match &node.value {
        Value::Text(text) => text.parse().map_err(|_| ()),
        _ => Err(()),
    }
}

fn because(broken: &Broken, node: &Node) -> String {
    format!("{}, not {}", broken.description, node.describe())
}
