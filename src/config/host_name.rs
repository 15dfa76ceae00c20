//! What to say in EHLO when nobody says otherwise.

use std::path::Path;

use super::file;
use crate::mail::Address;

/// RFC 5321 section 4.1.4: a client without a domain name gives an address
/// literal. Which address a connection will have is not known beforehand.
const FALLBACK: &str = "[127.0.0.1]";

const SOURCES: [&str; 2] = ["/proc/sys/kernel/hostname", "/etc/hostname"];
const MAX_BYTES: u64 = 1024;

/// This machine's name where it is fully qualified, an address literal otherwise.
pub(super) fn ehlo() -> String {
    SOURCES
        .iter()
        .filter_map(|path| file::bytes(Path::new(path), MAX_BYTES).ok())
        .filter_map(|bytes| String::from_utf8(bytes.to_vec()).ok())
        .find_map(|name| fully_qualified(name.trim()))
        .unwrap_or_else(|| FALLBACK.to_owned())
}

fn fully_qualified(name: &str) -> Option<String> {
    let address = format!("postmaster@{name}").parse::<Address>().ok()?;
    let domain = address.domain();
    let last = domain.rsplit_once('.')?.1;
    let is_local = domain.starts_with('[') || matches!(last, "localdomain" | "localhost" | "local");
    (!is_local).then(|| domain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fully_qualified_name_is_told() {
        assert_eq!(
            fully_qualified("Mail.Example.com"),
            Some("mail.example.com".to_owned())
        );
        for name in [
            "mail",
            "",
            "localhost.localdomain",
            "a_b.example.com",
            "[192.0.2.1]",
        ] {
            assert_eq!(fully_qualified(name), None, "{name}");
        }
    }
}
