//! A `ClientHello` written by hand (RFC 8446 section 4.1.2, RFC 5246 section
//! 7.4.1.2), for what a TLS library would never offer. It is only good for
//! hearing the answer: nobody could go on from there.

/// What a `ClientHello` says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Hello {
    /// The newest version, as it was told before TLS 1.3.
    pub(super) legacy_version: u16,
    /// The versions of `supported_versions`, which is left out without any.
    pub(super) versions: Vec<u16>,
    pub(super) suites: Vec<u16>,
    /// Left out with all that belongs to it when there are none, and so on.
    pub(super) groups: Vec<u16>,
    pub(super) schemes: Vec<u16>,
    /// Public keys by their group. Only for TLS 1.3; may be empty there, to be
    /// told the group that the relay wants.
    pub(super) shares: Vec<(u16, Vec<u8>)>,
    pub(super) server_name: Option<String>,
    /// Offers a pre-shared key that we have not got.
    pub(super) psk: bool,
}

/// The name of a pre-shared key that relays without a name of their own know,
/// as it is OpenSSL's. The proof that goes with it here is wrong for any key.
const IDENTITY: &[u8] = b"Client_identity";

const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const EC_POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const EXTENDED_MASTER_SECRET: u16 = 23;
const PRE_SHARED_KEY: u16 = 41;
const SUPPORTED_VERSIONS: u16 = 43;
const PSK_KEY_EXCHANGE_MODES: u16 = 45;
const KEY_SHARE: u16 = 51;
const RENEGOTIATION_INFO: u16 = 0xff01;

impl Hello {
    /// The record that carries it.
    pub(super) fn record(&self, random: &[u8; 32]) -> Vec<u8> {
        let mut body = self.legacy_version.to_be_bytes().to_vec();
        body.extend(random);
        // The session id that TLS 1.3 has for the sake of middleboxes (RFC 8446
        // appendix D.4).
        let session_id: &[u8] = if self.is_tls13() { random } else { &[] };
        vec8(&mut body, session_id);
        vec16(&mut body, &numbers(&self.suites));
        // No compression.
        vec8(&mut body, &[0]);
        let extensions = self.extensions();
        if !extensions.is_empty() {
            vec16(&mut body, &extensions);
        }

        let mut message = vec![1, 0];
        vec16(&mut message, &body);
        // Old stacks take no record of another version (RFC 8446 section 5.1).
        let mut record = vec![22];
        record.extend(self.legacy_version.min(0x0301).to_be_bytes());
        vec16(&mut record, &message);
        record
    }

    fn is_tls13(&self) -> bool {
        !self.versions.is_empty()
    }

    fn extensions(&self) -> Vec<u8> {
        let mut all = Vec::new();
        if let Some(name) = &self.server_name {
            let mut entry = vec![0];
            vec16(&mut entry, name.as_bytes());
            extension(&mut all, SERVER_NAME, &prefixed16(&entry));
        }
        if !self.groups.is_empty() {
            let groups = prefixed16(&numbers(&self.groups));
            extension(&mut all, SUPPORTED_GROUPS, &groups);
            extension(&mut all, EC_POINT_FORMATS, &[1, 0]);
        }
        if !self.schemes.is_empty() {
            let schemes = prefixed16(&numbers(&self.schemes));
            extension(&mut all, SIGNATURE_ALGORITHMS, &schemes);
            extension(&mut all, EXTENDED_MASTER_SECRET, &[]);
            extension(&mut all, RENEGOTIATION_INFO, &[0]);
        }
        if self.is_tls13() {
            self.tls13(&mut all);
        }
        all
    }

    fn tls13(&self, all: &mut Vec<u8>) {
        let versions = prefixed8(&numbers(&self.versions));
        extension(all, SUPPORTED_VERSIONS, &versions);
        let mut shares = Vec::new();
        for (group, key) in &self.shares {
            shares.extend(group.to_be_bytes());
            vec16(&mut shares, key);
        }
        extension(all, KEY_SHARE, &prefixed16(&shares));
        // A pre-shared key with and without key exchange.
        extension(all, PSK_KEY_EXCHANGE_MODES, &[2, 1, 0]);
        if self.psk {
            // Must be the last (RFC 8446 section 4.2.11).
            let mut identity = Vec::new();
            vec16(&mut identity, IDENTITY);
            identity.extend([0; 4]);
            let mut offered = prefixed16(&identity);
            vec16(&mut offered, &prefixed8(&[0; 32]));
            extension(all, PRE_SHARED_KEY, &offered);
        }
    }
}

fn extension(all: &mut Vec<u8>, kind: u16, data: &[u8]) {
    all.extend(kind.to_be_bytes());
    vec16(all, data);
}

fn numbers(all: &[u16]) -> Vec<u8> {
    all.iter().flat_map(|it| it.to_be_bytes()).collect()
}

fn prefixed8(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    vec8(&mut out, data);
    out
}

fn prefixed16(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    vec16(&mut out, data);
    out
}

/// What is written here is ours, and far shorter than its length field allows:
/// the longest part that comes from outside is a host name of 253 bytes.
fn vec8(out: &mut Vec<u8>, data: &[u8]) {
    out.push(u8::try_from(data.len()).unwrap_or(u8::MAX));
    out.extend(data);
}

fn vec16(out: &mut Vec<u8>, data: &[u8]) {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    out.extend(length.to_be_bytes());
    out.extend(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_hello_has_no_extensions() {
        let hello = Hello {
            legacy_version: 0x0300,
            suites: vec![0x002f, 0x00ff],
            ..Hello::default()
        };
        let record = hello.record(&[9; 32]);
        let mut expected = vec![22, 3, 0, 0, 47, 1, 0, 0, 43, 3, 0];
        expected.extend([9; 32]);
        expected.extend([0, 0, 4, 0, 0x2f, 0, 0xff, 1, 0]);
        assert_eq!(record, expected);
    }

    #[test]
    fn the_pre_shared_key_comes_last() {
        let hello = Hello {
            legacy_version: 0x0303,
            versions: vec![0x0304],
            suites: vec![0x1301],
            psk: true,
            ..Hello::default()
        };
        let record = hello.record(&[9; 32]);
        let extension = &record[record.len() - 62..];
        assert_eq!(extension[..8], [0, 41, 0, 58, 0, 21, 0, 15]);
        assert_eq!(extension[8..23], *IDENTITY);
        assert_eq!(extension[27..30], [0, 33, 32]);
    }
}
