//! What the first bytes from a relay are. Pure.

use rustls::{CipherSuite, NamedGroup};

use super::{
    protocol::{foreign_protocol, is_ftp},
    version,
};
use crate::report::TlsVersion;

/// What the first bytes from a relay are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Opening {
    /// There were none.
    Silence,
    /// A `ServerHello` or `HelloRetryRequest`.
    ServerHello(ServerHello),
    /// An alert in plaintext: its level and its number.
    Alert(u8, u8),
    /// Other TLS, or less of it than tells.
    Tls,
    /// A reply of SMTP, or of FTP that does not say so: its first line.
    Reply(String),
    /// Another protocol that is known by its first line.
    Foreign(&'static str, String),
    /// Neither TLS nor anything that is known.
    Unknown,
}

/// What a `ServerHello` settles.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ServerHello {
    pub(super) version: Option<TlsVersion>,
    pub(super) suite: CipherSuite,
    /// Where it has come to the key share, in TLS 1.3.
    pub(super) group: Option<NamedGroup>,
    /// Whether it only asks for another `ClientHello`.
    pub(super) is_retry: bool,
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
/// What makes a `ServerHello` a `HelloRetryRequest` (RFC 8446 section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];
/// The extension key_share (RFC 8446 section 4.2.8).
const KEY_SHARE: u16 = 51;

impl Opening {
    /// Reads the first bytes that came, however few.
    pub(super) fn read(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::Silence,
            [ALERT, _, _, 0, 2, level, code, ..] => Self::Alert(*level, *code),
            [HANDSHAKE, _, _, _, _, SERVER_HELLO, _, _, _, body @ ..] => {
                server_hello(body).map_or(Self::Tls, Self::ServerHello)
            }
            // The content types of TLS (RFC 8446 section 5.1).
            [20..=24, ..] => Self::Tls,
            _ => text(bytes),
        }
    }

    /// What was settled, when it came to that.
    pub(super) fn server_hello(&self) -> Option<ServerHello> {
        match self {
            Self::ServerHello(hello) => Some(*hello),
            _ => None,
        }
    }

    /// Whether the relay has settled on what to do. One that asked for another
    /// `ClientHello` may still refuse what stands in it.
    pub(super) fn is_settled(&self) -> bool {
        self.server_hello().is_some_and(|it| !it.is_retry)
    }

    /// Whether TLS came.
    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Self::ServerHello(_) | Self::Alert(..) | Self::Tls)
    }
}

/// RFC 8446 section 4.1.3: version, 32 random bytes, session id, suite.
fn server_hello(body: &[u8]) -> Option<ServerHello> {
    let legacy_version = u16::from_be_bytes(*body.first_chunk()?);
    let id_length = usize::from(*body.get(34)?);
    let suite = u16::from_be_bytes(*body.get(35 + id_length..)?.first_chunk()?);
    // TLS 1.3 calls itself 1.2 here, and has suites of its own (RFC 8446
    // appendix B.4).
    let version = if suite >> 8 == 0x13 {
        Some(TlsVersion::Tls13)
    } else {
        version::from_wire(legacy_version)
    };
    Some(ServerHello {
        version,
        suite: CipherSuite::from(suite),
        // Behind the suite come the compression and the length of all
        // extensions.
        group: body.get(40 + id_length..).and_then(key_share),
        is_retry: body.get(2..34) == Some(&RETRY),
    })
}

/// The group of the key share among `extensions`, which may break off.
fn key_share(mut extensions: &[u8]) -> Option<NamedGroup> {
    loop {
        let kind = u16::from_be_bytes(*extensions.first_chunk()?);
        let length = u16::from_be_bytes(*extensions.get(2..)?.first_chunk()?);
        let content = extensions.get(4..)?;
        if kind == KEY_SHARE {
            return Some(u16::from_be_bytes(*content.first_chunk()?).into());
        }
        extensions = content.get(usize::from(length)..)?;
    }
}

fn text(bytes: &[u8]) -> Opening {
    let line = first_line(bytes);
    if is_reply(bytes) {
        let is_ftp = bytes.starts_with(b"220") && is_ftp(&line);
        return if is_ftp {
            Opening::Foreign("FTP", line)
        } else {
            Opening::Reply(line)
        };
    }
    match foreign_protocol(bytes) {
        Some(protocol) => Opening::Foreign(protocol, line),
        None => Opening::Unknown,
    }
}

/// RFC 5321 section 4.2: three digits, then a hyphen, a space or the end.
fn is_reply(bytes: &[u8]) -> bool {
    match bytes {
        [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', rest @ ..] => {
            matches!(rest, [] | [b' ' | b'-' | b'\r' | b'\n', ..])
        }
        _ => false,
    }
}

fn first_line(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    let line = &bytes[..end.unwrap_or(bytes.len())];
    String::from_utf8_lossy(line).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hello(version: u16, session_id: &[u8], suite: u16) -> Vec<u8> {
        let mut bytes = vec![22, 3, 3, 0, 80, 2, 0, 0, 76];
        bytes.extend(version.to_be_bytes());
        bytes.extend([7; 32]);
        bytes.push(u8::try_from(session_id.len()).unwrap());
        bytes.extend(session_id);
        bytes.extend(suite.to_be_bytes());
        bytes.push(0);
        bytes
    }

    #[test]
    fn a_server_hello_tells_version_and_suite() {
        let settled = |bytes: &[u8]| Opening::read(bytes).server_hello().unwrap();

        let tls13 = settled(&hello(0x0303, &[1; 32], 0x1302));
        assert_eq!(tls13.version, Some(TlsVersion::Tls13));
        assert_eq!(tls13.suite, CipherSuite::TLS13_AES_256_GCM_SHA384);

        let tls12 = settled(&hello(0x0303, &[], 0xc02f));
        assert_eq!(tls12.version, Some(TlsVersion::Tls12));

        let tls10 = settled(&hello(0x0301, &[1; 32], 0x002f));
        assert_eq!(tls10.version, Some(TlsVersion::Tls10));
        assert_eq!(tls10.suite, CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA);

        let cut = &hello(0x0303, &[1; 32], 0x1302)[..70];
        assert_eq!(Opening::read(cut), Opening::Tls);
    }

    #[test]
    fn the_group_of_a_key_share_is_told() {
        let mut bytes = hello(0x0303, &[1; 32], 0x1302);
        bytes.extend([0, 14, 0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 25]);
        let group = |bytes: &[u8]| Opening::read(bytes).server_hello().unwrap().group;
        assert_eq!(group(&bytes), Some(NamedGroup::secp521r1));
        for end in bytes.len() - 15..bytes.len() {
            assert_eq!(group(&bytes[..end]), None, "{end}");
        }
    }

    #[test]
    fn plaintext_is_told_by_its_first_line() {
        let read = |text: &str| Opening::read(text.as_bytes());
        assert_eq!(
            read("220 mx ESMTP\r\n250"),
            Opening::Reply("220 mx ESMTP".into())
        );
        assert_eq!(read("554-no"), Opening::Reply("554-no".into()));
        assert_eq!(read("220"), Opening::Reply("220".into()));
        assert_eq!(
            read("HTTP/1.1 400 Bad\r\n"),
            Opening::Foreign("HTTP", "HTTP/1.1 400 Bad".into())
        );
        assert!(matches!(read("* OK [CAP"), Opening::Foreign("IMAP", _)));
        assert!(matches!(read("+OK ready"), Opening::Foreign("POP3", _)));
        assert!(matches!(read("SSH-2.0-x"), Opening::Foreign("SSH", _)));
        assert!(matches!(
            read("220 (vsFTPd 3.0.5)\r\n"),
            Opening::Foreign("FTP", _)
        ));
        for other in ["2200 x", "22", "120 x", "hello", "\0\x01"] {
            assert_eq!(read(other), Opening::Unknown, "{other:?}");
        }
        assert_eq!(read(""), Opening::Silence);
        assert_eq!(
            Opening::read(&[21, 3, 1, 0, 2, 2, 70]),
            Opening::Alert(2, 70)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_something(bytes: Vec<u8>) {
            let opening = Opening::read(&bytes);
            prop_assert_eq!(opening == Opening::Silence, bytes.is_empty());
        }
    }
}
