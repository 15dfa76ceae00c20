//! The kinds of values that settings take: each from a node to the domain's
//! type, or a fragment that says what it must be.

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use rustls_pki_types::ServerName;
use strum::VariantNames;

use super::{
    problem::Origin,
    value::{Node, Value},
};
use crate::{
    mail::{Address, Broken},
    report::TlsMode,
    smtp::Host,
    tls::{KeyPin, Version},
};

fn expected<T>(what: &str, node: &Node) -> Result<T, String> {
    Err(format!("must be {what}, not {}", node.describe()))
}

pub(super) fn text(node: &Node) -> Result<String, String> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        _ => expected("a text in quotes", node),
    }
}

pub(super) fn boolean(node: &Node) -> Result<bool, String> {
    match &node.value {
        Value::Boolean(value) => Ok(*value),
        Value::Text(text) if node.origin.is_untyped() && text == "true" => Ok(true),
        Value::Text(text) if node.origin.is_untyped() && text == "false" => Ok(false),
        _ => expected("`true` or `false`", node),
    }
}

fn whole_number(node: &Node) -> Option<u64> {
    match &node.value {
        Value::Integer(value) => u64::try_from(*value).ok(),
        Value::Text(text) if node.origin.is_untyped() => text.parse().ok(),
        _ => None,
    }
}

pub(super) fn count(range: RangeInclusive<usize>) -> impl Fn(&Node) -> Result<usize, String> {
    move |node| {
        whole_number(node)
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| range.contains(number))
            .map_or_else(
                || {
                    let what = format!("a whole number from {} to {}", range.start(), range.end());
                    expected(&what, node)
                },
                Ok,
            )
    }
}

pub(super) fn port(node: &Node) -> Result<u16, String> {
    match whole_number(node).map(u16::try_from) {
        Some(Ok(port)) if port > 0 => Ok(port),
        _ => expected("a port from 1 to 65535", node),
    }
}

/// A number of bytes, or a text such as `48MiB`.
pub(super) fn size(range: RangeInclusive<usize>) -> impl Fn(&Node) -> Result<usize, String> {
    move |node| {
        let bytes = match &node.value {
            Value::Text(text) => parse_size(text),
            _ => whole_number(node),
        };
        let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
        match bytes {
            Some(bytes) if range.contains(&bytes) => Ok(bytes),
            Some(_) => {
                let what = format!("{} to {} bytes", range.start(), range.end());
                expected(&what, node)
            }
            None => expected("a number of bytes or a size such as `48MiB`", node),
        }
    }
}

fn parse_size(text: &str) -> Option<u64> {
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
    number.parse::<u64>().ok()?.checked_mul(factor)
}

pub(super) fn duration(
    range: RangeInclusive<Duration>,
) -> impl Fn(&Node) -> Result<Duration, String> {
    move |node| {
        let duration = match &node.value {
            Value::Text(text) => humantime::parse_duration(text).ok(),
            _ => None,
        };
        match duration {
            Some(duration) if range.contains(&duration) => Ok(duration),
            Some(_) => {
                let [least, most] =
                    [range.start(), range.end()].map(|d| humantime::format_duration(*d));
                expected(&format!("from {least} to {most}"), node)
            }
            None => expected("a duration with its unit, such as `30s`", node),
        }
    }
}

pub(super) fn listen(node: &Node) -> Result<SocketAddr, String> {
    parsed(node).or_else(|()| expected("an IP address and a port, such as `127.0.0.1:50051`", node))
}

pub(super) fn tls_mode(node: &Node) -> Result<TlsMode, String> {
    parsed(node).or_else(|()| {
        expected(
            "`implicit`, `starttls`, `starttls_if_offered` or `plaintext`",
            node,
        )
    })
}

pub(super) fn tls_version(node: &Node) -> Result<Version, String> {
    match &node.value {
        Value::Text(text) if text == "1.2" => Ok(Version::Tls12),
        Value::Text(text) if text == "1.3" => Ok(Version::Tls13),
        _ => expected("\"1.2\" or \"1.3\"", node),
    }
}

/// One of the names that `T` has.
pub(super) fn one_of<T: FromStr + VariantNames>(node: &Node) -> Result<T, String> {
    parsed(node).or_else(|()| {
        let names: Vec<_> = T::VARIANTS.iter().map(|name| format!("`{name}`")).collect();
        expected(&format!("one of {}", names.join(", ")), node)
    })
}

pub(super) fn host(node: &Node) -> Result<Host, String> {
    text(node)?.parse().map_err(|broken| because(&broken, node))
}

pub(super) fn server_name(node: &Node) -> Result<ServerName<'static>, String> {
    let name = match host(node)? {
        Host::Ip(ip) => return Ok(ServerName::from(ip)),
        Host::Name(name) => name,
    };
    ServerName::try_from(name).or_else(|_| expected("a host name or an IP address", node))
}

pub(super) fn key_pin(node: &Node) -> Result<KeyPin, String> {
    text(node)?.parse().map_err(|broken| because(&broken, node))
}

/// A Domain or an address literal, as RFC 5321 section 4.1.3 has it, names as
/// A-labels.
pub(super) fn domain_or_literal(node: &Node) -> Result<String, String> {
    // The same grammar as after an address's at sign.
    match format!("postmaster@{}", text(node)?).parse::<Address>() {
        Ok(address) => Ok(address.domain().to_owned()),
        Err(_) => expected(
            "a host name, or an address literal such as `[192.0.2.1]`",
            node,
        ),
    }
}

/// A domain name as A-labels, or `*.` and one for the names below it.
pub(super) fn domain_pattern(node: &Node) -> Result<String, String> {
    let text = text(node)?;
    let (star, name) = match text.strip_prefix("*.") {
        Some(name) => ("*.", name),
        None => ("", text.as_str()),
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

/// A path: in the file, relative to the file's own folder.
pub(super) fn path(node: &Node) -> Result<PathBuf, String> {
    const MAX_BYTES: usize = 4096;
    let text = text(node)?;
    // Not quoted: these are contents, perhaps of a key file.
    if text.is_empty() || text.len() > MAX_BYTES || text.chars().any(char::is_control) {
        return Err("must be the path of a file, not its contents".to_owned());
    }
    Ok(match &node.origin {
        Origin::File { path, .. } => path.parent().unwrap_or(Path::new("")).join(text),
        Origin::Environment(_) | Origin::Flag(_) => PathBuf::from(text),
    })
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
