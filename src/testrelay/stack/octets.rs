//! Messages of the server side, as octets.

use aws_lc_rs::agreement;
use rustls::{CipherSuite, NamedGroup, ProtocolVersion};
use uuid::Uuid;

use crate::testrelay::ca::made;

const HANDSHAKE: u8 = 22;
pub(super) const SERVER_HELLO: u8 = 2;

/// Parameters of ECDHE, on a named curve (RFC 8422 section 5.4).
pub(super) fn on_curve(group: NamedGroup) -> Vec<u8> {
    let share = share_of(group);
    let mut parameters = vec![3];
    parameters.extend(u16::from(group).to_be_bytes());
    parameters.push(u8::try_from(share.len()).unwrap_or(u8::MAX));
    parameters.extend(share);
    parameters
}

/// Parameters of DHE (RFC 5246 section 7.4.3). They look like ones of 2,048
/// bits; the modulus is no prime.
pub(super) fn in_finite_field() -> Vec<u8> {
    [
        vec16(&[0xff; 256]),
        vec16(&[2]),
        vec16(&share_of(NamedGroup::FFDHE2048)),
    ]
    .concat()
}

/// A public value of this group, to which nobody has the private one.
pub(super) fn share_of(group: NamedGroup) -> Vec<u8> {
    let algorithm = match group {
        NamedGroup::secp256r1 => &agreement::ECDH_P256,
        NamedGroup::secp384r1 => &agreement::ECDH_P384,
        NamedGroup::secp521r1 => &agreement::ECDH_P521,
        NamedGroup::FFDHE2048 => return vec![0x5a; 256],
        _ => &agreement::X25519,
    };
    let key = made(agreement::PrivateKey::generate(algorithm));
    made(key.compute_public_key()).as_ref().to_vec()
}

pub(super) fn server_hello(
    version: ProtocolVersion,
    random: [u8; 32],
    session_id: &[u8],
    suite: CipherSuite,
    extensions: &[u8],
) -> Vec<u8> {
    let mut body = u16::from(version).to_be_bytes().to_vec();
    body.extend(random);
    body.push(u8::try_from(session_id.len()).unwrap_or_default());
    body.extend(session_id);
    body.extend(u16::from(suite).to_be_bytes());
    body.push(0);
    if !extensions.is_empty() {
        body.extend(vec16(extensions));
    }
    message(SERVER_HELLO, &body)
}

/// What stands in records of a version (RFC 8446 section 5.1).
pub(super) fn legacy(version: ProtocolVersion) -> ProtocolVersion {
    match version {
        ProtocolVersion::TLSv1_3 => ProtocolVersion::TLSv1_2,
        older => older,
    }
}

pub(super) fn random() -> [u8; 32] {
    let mut random = [0; 32];
    random[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    random[16..].copy_from_slice(Uuid::new_v4().as_bytes());
    random
}

pub(super) fn extension(number: u16, data: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes(), &vec16(data)[..]].concat()
}

pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &vec24(body)[..]].concat()
}

/// A record of handshake messages, which fit into one.
pub(super) fn record(version: ProtocolVersion, messages: &[u8]) -> Vec<u8> {
    let version = u16::from(version).to_be_bytes();
    [&[HANDSHAKE], &version[..], &vec16(messages)].concat()
}

pub(super) fn vec16(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

pub(super) fn vec24(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[1..], bytes].concat()
}
