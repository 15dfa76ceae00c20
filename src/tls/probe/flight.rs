//! What a relay answered to a `ClientHello`, as far as it is readable: all of
//! its first flight up to TLS 1.2, and the first message of TLS 1.3. Pure.

use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::wide;
use crate::{
    report::TlsVersion,
    tls::{algorithm, version},
};

/// What came in answer to a `ClientHello`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Flight {
    /// What was chosen.
    pub(super) chosen: Option<Chosen>,
    /// The relay's key, such as `RSA 2048`.
    pub(super) key: Option<String>,
    /// The parameters of the key exchange that the relay signed.
    pub(super) key_exchange: Option<KeyExchange>,
    /// Whether a certificate was asked for.
    pub(super) wants_certificate: bool,
    /// The alert that ended it.
    pub(super) alert: Option<u8>,
    /// Whether something came that is not TLS.
    pub(super) is_foreign: bool,
    /// Whether nothing more is to be learned.
    pub(super) is_complete: bool,
}

/// What a `ServerHello` or `HelloRetryRequest` settles.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Chosen {
    pub(super) version: TlsVersion,
    pub(super) suite: u16,
    /// Only of TLS 1.3.
    pub(super) group: Option<u16>,
}

/// What a `ServerKeyExchange` says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct KeyExchange {
    /// A named group, or else the bits of a modulus.
    pub(super) parameters: Parameters,
    /// From TLS 1.2 on, where it is signed.
    pub(super) scheme: Option<u16>,
}

/// The domain of a key exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Parameters {
    Group(u16),
    Modulus { bits: usize },
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const FATAL: u8 = 2;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;
const SUPPORTED_VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;

impl Flight {
    /// Reads what has come up to now.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut flight = Self::default();
        let mut records = Cursor(bytes);
        let mut messages = Vec::new();
        while !records.0.is_empty() {
            match records.record() {
                Some((HANDSHAKE, fragment)) => messages.extend_from_slice(fragment),
                Some((ALERT, [FATAL, code])) => flight.alert = Some(*code),
                // RFC 8446 section 6.1: close_notify and user_canceled.
                Some((ALERT, [_, 0 | 90])) => flight.is_complete = true,
                // A warning, which the handshake goes on after.
                Some((ALERT, _)) => {}
                // What follows is encrypted.
                Some((20 | 23..=24, _)) => break,
                Some(_) => {
                    flight.is_foreign = true;
                    break;
                }
                None => {
                    flight.is_foreign = !matches!(records.0[0], 20..=24);
                    break;
                }
            }
        }
        let mut messages = Cursor(&messages);
        while let Some((kind, body)) = messages.message() {
            flight.message(kind, body);
        }
        let is_tls13 = flight
            .chosen
            .is_some_and(|it| it.version == TlsVersion::Tls13);
        flight.is_complete |= is_tls13 || flight.alert.is_some() || flight.is_foreign;
        flight
    }

    fn message(&mut self, kind: u8, body: &[u8]) {
        match kind {
            SERVER_HELLO => self.chosen = self.chosen.or_else(|| chosen(body)),
            CERTIFICATE => self.key = key(body),
            SERVER_KEY_EXCHANGE => {
                self.key_exchange = self.chosen.and_then(|it| key_exchange(body, it));
            }
            CERTIFICATE_REQUEST => self.wants_certificate = true,
            SERVER_HELLO_DONE => self.is_complete = true,
            _ => {}
        }
    }

    /// The named group of the key exchange.
    pub(super) fn group(&self) -> Option<u16> {
        let of_tls12 = self
            .key_exchange
            .as_ref()
            .and_then(|it| match it.parameters {
                Parameters::Group(group) => Some(group),
                Parameters::Modulus { .. } => None,
            });
        self.chosen.and_then(|it| it.group).or(of_tls12)
    }

    /// The scheme of the relay's signature.
    pub(super) fn scheme(&self) -> Option<u16> {
        self.key_exchange.as_ref().and_then(|it| it.scheme)
    }
}

fn chosen(body: &[u8]) -> Option<Chosen> {
    let mut body = Cursor(body);
    let mut version = body.u16()?;
    body.take(32)?;
    body.vec8()?;
    let suite = body.u16()?;
    // Compression.
    body.u8()?;
    let mut extensions = Cursor(body.vec16().unwrap_or_default());
    let mut group = None;
    while let Some((kind, data)) = extensions.extension() {
        let first = Cursor(data).u16();
        match kind {
            SUPPORTED_VERSIONS => version = first.unwrap_or(version),
            KEY_SHARE => group = first,
            _ => {}
        }
    }
    Some(Chosen {
        version: version::from_wire(version)?,
        suite,
        group,
    })
}

/// RFC 5246 section 7.4.2: the relay's own certificate comes first.
fn key(body: &[u8]) -> Option<String> {
    let mut list = Cursor(Cursor(body).vec24()?);
    let (_, certificate) = X509Certificate::from_der(list.vec24()?).ok()?;
    Some(algorithm::key_name(certificate.public_key()))
}

/// RFC 8422 section 5.4, RFC 5246 section 7.4.3.
fn key_exchange(body: &[u8], chosen: Chosen) -> Option<KeyExchange> {
    const NAMED_CURVE: u8 = 3;

    let suite = wide::suite_name(chosen.suite);
    let mut body = Cursor(body);
    let parameters = if suite.starts_with("TLS_ECDH") && !suite.contains("PSK") {
        if body.u8()? != NAMED_CURVE {
            return None;
        }
        let group = body.u16()?;
        body.vec8()?;
        Parameters::Group(group)
    } else if suite.starts_with("TLS_DH") && !suite.contains("PSK") {
        let modulus = body.vec16()?;
        body.vec16()?;
        body.vec16()?;
        let first = modulus.iter().position(|it| *it != 0)?;
        let zeros = modulus[first].leading_zeros() as usize;
        Parameters::Modulus {
            bits: (modulus.len() - first) * 8 - zeros,
        }
    } else {
        return None;
    };
    let is_signed = chosen.version == TlsVersion::Tls12 && !suite.contains("_anon_");
    Some(KeyExchange {
        parameters,
        scheme: if is_signed { body.u16() } else { None },
    })
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
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes(*bytes.first_chunk()?))
    }

    fn u24(&mut self) -> Option<usize> {
        Some(usize::from(self.u8()?) << 16 | usize::from(self.u16()?))
    }

    fn vec8(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }

    fn vec16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }

    fn vec24(&mut self) -> Option<&'a [u8]> {
        let length = self.u24()?;
        self.take(length)
    }

    /// The next whole record. Takes nothing when it is not all there.
    fn record(&mut self) -> Option<(u8, &'a [u8])> {
        let mut cursor = Cursor(self.0);
        let kind = cursor.u8()?;
        // Every version of TLS, and SSL 3.
        if cursor.u8()? != 3 {
            return Some((0, &[]));
        }
        cursor.u8()?;
        let fragment = cursor.vec16()?;
        self.0 = cursor.0;
        Some((kind, fragment))
    }

    /// The next whole message of a handshake.
    fn message(&mut self) -> Option<(u8, &'a [u8])> {
        Some((self.u8()?, self.vec24()?))
    }

    fn extension(&mut self) -> Option<(u16, &'a [u8])> {
        Some((self.u16()?, self.vec16()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(kind: u8, fragment: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 3, 3];
        record.extend(u16::try_from(fragment.len()).unwrap().to_be_bytes());
        record.extend(fragment);
        record
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut message = vec![kind, 0];
        message.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        message.extend(body);
        message
    }

    fn server_hello(version: u16, suite: u16, extensions: &[u8]) -> Vec<u8> {
        let mut body = version.to_be_bytes().to_vec();
        body.extend([1; 32]);
        body.push(0);
        body.extend(suite.to_be_bytes());
        body.push(0);
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
        message(SERVER_HELLO, &body)
    }

    /// TLS 1.2 up to the `ServerHelloDone`, in several records that are not
    /// those of the messages.
    fn tls12() -> Vec<u8> {
        let mut messages = server_hello(0x0303, 0xc030, &[]);
        let key_exchange = [3, 0, 0x17, 1, 4, 8, 4, 0, 0];
        messages.extend(message(SERVER_KEY_EXCHANGE, &key_exchange));
        messages.extend(message(CERTIFICATE_REQUEST, &[1, 1, 0, 0, 0, 0]));
        messages.extend(message(SERVER_HELLO_DONE, &[]));
        let mut records = record(ALERT, &[1, 112]);
        for part in messages.chunks(20) {
            records.extend(record(HANDSHAKE, part));
        }
        records
    }

    #[test]
    fn a_flight_of_tls12_tells_its_key_exchange() {
        let flight = Flight::read(&tls12());
        assert_eq!(flight.chosen.unwrap().version, TlsVersion::Tls12);
        assert_eq!(flight.chosen.unwrap().suite, 0xc030);
        assert_eq!(flight.group(), Some(0x0017));
        assert_eq!(flight.scheme(), Some(0x0804));
        assert!(flight.wants_certificate && flight.is_complete);
        assert_eq!(flight.alert, None, "a warning ends nothing");
    }

    #[test]
    fn a_flight_that_has_not_all_come_is_not_complete() {
        let whole = tls12();
        for length in 0..whole.len() {
            assert!(!Flight::read(&whole[..length]).is_complete, "{length}");
        }
    }

    #[test]
    fn tls13_tells_its_group_and_hides_the_rest() {
        let extensions = [0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 0x19];
        let mut bytes = record(HANDSHAKE, &server_hello(0x0303, 0x1301, &extensions));
        bytes.extend(record(20, &[1]));
        bytes.extend(record(23, &[7; 40]));
        let flight = Flight::read(&bytes);
        assert_eq!(
            flight.chosen,
            Some(Chosen {
                version: TlsVersion::Tls13,
                suite: 0x1301,
                group: Some(0x0019)
            })
        );
        assert!(flight.is_complete && !flight.is_foreign);
    }

    #[test]
    fn a_modulus_is_no_group() {
        let mut messages = server_hello(0x0301, 0x0039, &[]);
        let mut key_exchange = vec![0, 3, 0, 0x0f, 1, 0, 1, 2, 0, 1, 4];
        key_exchange.extend([0; 4]);
        messages.extend(message(SERVER_KEY_EXCHANGE, &key_exchange));
        let flight = Flight::read(&record(HANDSHAKE, &messages));
        let told = flight.key_exchange.as_ref().unwrap();
        assert_eq!(told.parameters, Parameters::Modulus { bits: 12 });
        assert_eq!((flight.group(), flight.scheme()), (None, None));
    }

    #[test]
    fn an_alert_ends_it_and_plaintext_is_foreign() {
        let flight = Flight::read(&[21, 3, 0, 0, 2, 2, 40]);
        assert_eq!((flight.alert, flight.is_complete), (Some(40), true));
        for text in ["220 relay.test ESMTP\r\n", "H"] {
            let flight = Flight::read(text.as_bytes());
            assert!(flight.is_foreign && flight.is_complete, "{text}");
        }
        assert!(!Flight::read(&[22, 3]).is_complete);
        assert_eq!(Flight::read(&[]), Flight::default());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>, start in 0_usize..200) {
            let mut all = tls12();
            all.truncate(start);
            all.extend(bytes);
            let _ = Flight::read(&all);
        }
    }
}
