//! Reads a ClientHello off the wire (RFC 8446 section 4.1.2), so that a test
//! can tell what a client offered without asking that client's TLS library.

use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};

/// What a client offered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientHello {
    /// Its octets on the wire, with the record headers.
    pub size: usize,
    /// The versions offered: those of `supported_versions`, or without that
    /// extension the legacy version.
    pub versions: Vec<ProtocolVersion>,
    /// In the client's order.
    pub cipher_suites: Vec<CipherSuite>,
    /// In the client's order.
    pub groups: Vec<NamedGroup>,
    /// The groups that it sent a key share for.
    pub key_shares: Vec<NamedGroup>,
    /// In the client's order.
    pub signature_schemes: Vec<SignatureScheme>,
    /// The name in SNI.
    pub server_name: Option<String>,
    /// The protocols offered by ALPN.
    pub alpn: Vec<String>,
    /// Whether it offers to resume a TLS 1.3 session.
    pub offers_psk: bool,
    /// The numbers of its extensions, in the client's order.
    pub extensions: Vec<u16>,
}

impl ClientHello {
    /// The ClientHello that `wire` starts with. `None` when it is no whole one.
    pub fn read(wire: &[u8]) -> Option<Self> {
        match parse(wire) {
            Parsed::Hello(hello) => Some(*hello),
            Parsed::Incomplete | Parsed::NotOne => None,
        }
    }
}

/// What a buffer holds.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Parsed {
    Hello(Box<ClientHello>),
    Incomplete,
    NotOne,
}

const HANDSHAKE_RECORD: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const LARGEST: usize = 64 * 1024;

/// Reads the ClientHello that `wire` starts with.
pub(super) fn parse(wire: &[u8]) -> Parsed {
    let mut records = Cursor(wire);
    let mut message = Vec::new();
    loop {
        match hello_body(&message) {
            Some(body) => {
                let size = wire.len() - records.0.len();
                return read(body, size)
                    .map_or(Parsed::NotOne, |hello| Parsed::Hello(Box::new(hello)));
            }
            None if message.len() > LARGEST => return Parsed::NotOne,
            None => {}
        }
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO)
            || records
                .0
                .first()
                .is_some_and(|kind| *kind != HANDSHAKE_RECORD)
        {
            return Parsed::NotOne;
        }
        let fragment = records.take(3).and_then(|_| records.vec16());
        let Some(fragment) = fragment else {
            return Parsed::Incomplete;
        };
        message.extend_from_slice(fragment);
    }
}

/// The body of the handshake message, once all of it is there.
fn hello_body(message: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor(message);
    if cursor.u8()? != CLIENT_HELLO {
        return None;
    }
    let length = usize::from(cursor.u8()?) << 16 | usize::from(cursor.u16()?);
    cursor.take(length)
}

fn read(body: &[u8], size: usize) -> Option<ClientHello> {
    let mut cursor = Cursor(body);
    let legacy_version = cursor.u16()?;
    cursor.take(32)?;
    cursor.vec8()?;
    let mut hello = ClientHello {
        size,
        versions: vec![ProtocolVersion::from(legacy_version)],
        cipher_suites: numbers(cursor.vec16()?),
        groups: Vec::new(),
        key_shares: Vec::new(),
        signature_schemes: Vec::new(),
        server_name: None,
        alpn: Vec::new(),
        offers_psk: false,
        extensions: Vec::new(),
    };
    cursor.vec8()?;
    let mut extensions = Cursor(cursor.vec16().unwrap_or_default());
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let mut data = Cursor(extensions.vec16()?);
        hello.extensions.push(kind);
        match kind {
            0 => {
                let mut names = Cursor(data.vec16()?);
                names.u8()?;
                hello.server_name = Some(text(names.vec16()?));
            }
            10 => hello.groups = numbers(data.vec16()?),
            13 => hello.signature_schemes = numbers(data.vec16()?),
            16 => {
                let mut protocols = Cursor(data.vec16()?);
                while !protocols.0.is_empty() {
                    hello.alpn.push(text(protocols.vec8()?));
                }
            }
            41 => hello.offers_psk = true,
            43 => hello.versions = numbers(data.vec8()?),
            51 => {
                let mut shares = Cursor(data.vec16()?);
                while !shares.0.is_empty() {
                    hello.key_shares.push(NamedGroup::from(shares.u16()?));
                    shares.vec16()?;
                }
            }
            _ => {}
        }
    }
    Some(hello)
}

fn numbers<T: From<u16>>(bytes: &[u8]) -> Vec<T> {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs
        .iter()
        .map(|pair| T::from(u16::from_be_bytes(*pair)))
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)
            .map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn vec8(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }

    fn vec16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::aws_lc_rs};

    use super::*;

    fn hello_of_rustls() -> Vec<u8> {
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let name = "relay.example".try_into().unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        wire
    }

    #[test]
    fn reads_what_rustls_offers() {
        let wire = hello_of_rustls();
        let Parsed::Hello(hello) = parse(&wire) else {
            panic!("{:?}", parse(&wire));
        };
        assert_eq!(hello.size, wire.len());
        assert_eq!(
            hello.versions,
            [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2]
        );
        assert_eq!(hello.server_name.as_deref(), Some("relay.example"));
        assert!(
            hello
                .cipher_suites
                .contains(&CipherSuite::TLS13_AES_256_GCM_SHA384)
        );
        assert!(hello.groups.contains(&NamedGroup::X25519));
        assert!(!hello.key_shares.is_empty());
        assert!(hello.signature_schemes.contains(&SignatureScheme::ED25519));
        assert!(!hello.offers_psk);
    }

    #[test]
    fn reads_a_hello_that_comes_in_many_records() {
        let wire = hello_of_rustls();
        let split: Vec<u8> = wire[5..]
            .chunks(100)
            .flat_map(|chunk| {
                let length = u16::try_from(chunk.len()).unwrap().to_be_bytes();
                [&[22, 3, 1], &length[..], chunk].concat()
            })
            .collect();
        let (Parsed::Hello(whole), Parsed::Hello(pieces)) = (parse(&wire), parse(&split)) else {
            panic!("not read");
        };
        assert_eq!(pieces.size, split.len());
        assert_eq!(
            ClientHello {
                size: whole.size,
                ..*pieces
            },
            *whole
        );
    }

    #[test]
    fn waits_for_the_rest_and_knows_what_is_none() {
        let wire = hello_of_rustls();
        for length in 0..wire.len() {
            assert_eq!(parse(&wire[..length]), Parsed::Incomplete, "{length}");
        }
        assert_eq!(parse(b"EHLO me\r\n"), Parsed::NotOne);
        assert_eq!(parse(&[22, 3, 1, 0, 1, 2]), Parsed::NotOne);
    }
}
