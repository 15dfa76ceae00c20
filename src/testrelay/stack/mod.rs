//! TLS stacks of another time or another taste, which rustls cannot play. Each
//! reads a ClientHello and goes by what it offers, as the real one does, up to
//! where keys would be needed. Whoever goes along is told of an internal error
//! there.

use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};
use rustls_pki_types::CertificateDer;

use super::{Answer, ClientHello};

mod exchange;
mod octets;

use exchange::{Exchange, fits};
use octets::{
    extension, in_finite_field, legacy, message, on_curve, random, record, server_hello, share_of,
    vec16, vec24,
};

const ALERT: u8 = 21;
const FATAL: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const SERVER_HELLO_DONE: u8 = 14;

const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;
const INTERNAL_ERROR: u8 = 80;

const SUPPORTED_VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;
const RENEGOTIATION_INFO: u16 = 0xff01;

/// What makes a ServerHello a HelloRetryRequest (RFC 8446 section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];
/// What a server that knows TLS 1.3 ends its random in when it speaks 1.2
/// (RFC 8446 section 4.1.3).
const DOWNGRADED: [u8; 8] = *b"DOWNGRD\x01";

/// A TLS stack as plain data.
#[derive(Clone, Debug)]
pub struct Stack {
    versions: Vec<ProtocolVersion>,
    suites: Vec<CipherSuite>,
    groups: Vec<NamedGroup>,
    schemes: Vec<SignatureScheme>,
    chain: Vec<CertificateDer<'static>>,
    heeds_offer: bool,
    downgraded: bool,
    signs_late: bool,
    reads_extension: bool,
    unknown_version: Answer,
    refusal: Answer,
}

impl Stack {
    /// One that speaks these versions and these suites, with RSA and ECDSA
    /// signatures over all usual hashes and with the usual groups. What it
    /// prefers comes first. It refuses all else with a fatal alert.
    pub fn new(versions: &[ProtocolVersion], suites: &[CipherSuite]) -> Self {
        Self {
            versions: versions.to_vec(),
            suites: suites.to_vec(),
            groups: vec![
                NamedGroup::X25519,
                NamedGroup::secp256r1,
                NamedGroup::secp384r1,
            ],
            schemes: vec![
                SignatureScheme::ECDSA_NISTP256_SHA256,
                SignatureScheme::RSA_PKCS1_SHA256,
                SignatureScheme::RSA_PKCS1_SHA1,
            ],
            chain: Vec::new(),
            heeds_offer: true,
            downgraded: false,
            signs_late: false,
            reads_extension: versions.contains(&ProtocolVersion::TLSv1_3),
            unknown_version: Answer::alert(PROTOCOL_VERSION).then(Answer::close()),
            refusal: Answer::alert(HANDSHAKE_FAILURE).then(Answer::close()),
        }
    }

    /// Only these groups.
    #[must_use]
    pub fn groups(mut self, groups: &[NamedGroup]) -> Self {
        self.groups = groups.to_vec();
        self
    }

    /// Signs only so.
    #[must_use]
    pub fn schemes(mut self, schemes: &[SignatureScheme]) -> Self {
        self.schemes = schemes.to_vec();
        self
    }

    /// Shows this chain. Without it, it shows none.
    #[must_use]
    pub fn certificate(mut self, chain: &[CertificateDer<'static>]) -> Self {
        self.chain = chain.to_vec();
        self
    }

    /// Chooses what it likes best, offered or not.
    #[must_use]
    pub fn heedless(mut self) -> Self {
        self.heeds_offer = false;
        self
    }

    /// Looks for its versions in `supported_versions`, as stacks that know TLS
    /// 1.3 do, even where it is switched off.
    #[must_use]
    pub fn reading_supported_versions(mut self) -> Self {
        self.reads_extension = true;
        self
    }

    /// Sees whether it can sign only once it has a key share of the right group,
    /// as Go's does: it asks for one, and then refuses.
    #[must_use]
    pub fn signing_late(mut self) -> Self {
        self.signs_late = true;
        self
    }

    /// Says that it knows TLS 1.3, although it speaks TLS 1.2.
    #[must_use]
    pub fn downgraded(mut self) -> Self {
        self.downgraded = true;
        self
    }

    /// What it answers to a ClientHello without a version in common, instead
    /// of the alert `protocol_version`.
    #[must_use]
    pub fn unknown_version(mut self, answer: Answer) -> Self {
        self.unknown_version = answer;
        self
    }

    /// What it answers to a ClientHello with nothing else in common, instead
    /// of the alert `handshake_failure`.
    #[must_use]
    pub fn refusal(mut self, answer: Answer) -> Self {
        self.refusal = answer;
        self
    }

    /// Whether the suite that it likes best goes with an RSA key.
    pub fn wants_rsa(&self) -> bool {
        let name = self.suites.first().and_then(CipherSuite::as_str);
        name.is_some_and(|name| name.contains("RSA_WITH"))
    }

    /// What it answers to a ClientHello.
    pub fn answer(&self, hello: &ClientHello) -> Answer {
        let Some(version) = self.version(hello) else {
            return self.unknown_version.clone();
        };
        let is_13 = version == ProtocolVersion::TLSv1_3;
        let suites = self.suites.iter().copied();
        let suite = suites
            .filter(|suite| fits(*suite, version))
            .find(|suite| !self.heeds_offer || hello.cipher_suites.contains(suite));
        let Some(suite) = suite else {
            return self.refusal.clone();
        };
        let exchange = Exchange::of(suite);
        // Without the extension a client can do them all (RFC 8422 section 4).
        let group = self.common(&self.groups, &hello.groups);
        let schemes: Vec<_> = self
            .schemes
            .iter()
            .copied()
            .filter(|scheme| exchange.goes_with(*scheme))
            .collect();
        let scheme = self.common(&schemes, &hello.signature_schemes);
        if let Some(group) = group
            && is_13
            && self.signs_late
            && scheme.is_none()
            && !hello.key_shares.contains(&group)
        {
            let retry = Self::flight_13(hello, suite, group);
            let heard = Answer::raw(retry).then(Answer::hear());
            return heard.then(self.refusal.clone());
        }
        if (exchange.needs_group && group.is_none()) || (exchange.signs && scheme.is_none()) {
            return self.refusal.clone();
        }
        let flight = match group {
            Some(group) if is_13 => Self::flight_13(hello, suite, group),
            _ => self.flight_12(hello, version, suite, group, scheme),
        };
        let answer = Answer::raw(flight);
        // What follows a ServerHello of TLS 1.3 is encrypted.
        if is_13 && group.is_some_and(|group| hello.key_shares.contains(&group)) {
            return answer.then(Answer::close());
        }
        let mut alert = vec![ALERT];
        alert.extend(u16::from(legacy(version)).to_be_bytes());
        alert.extend([0, 2, FATAL, INTERNAL_ERROR]);
        answer
            .then(Answer::hear())
            .then(Answer::raw(alert))
            .then(Answer::close())
    }

    /// The newest version in common. Stacks from before TLS 1.3 read the old
    /// field, which means that version and all before it.
    fn version(&self, hello: &ClientHello) -> Option<ProtocolVersion> {
        let newest = u16::from(hello.legacy_version);
        let listed = self.reads_extension && hello.extensions.contains(&SUPPORTED_VERSIONS);
        self.versions
            .iter()
            .copied()
            .filter(|version| {
                if listed {
                    hello.versions.contains(version)
                } else {
                    u16::from(*version) <= newest
                }
            })
            .max_by_key(|version| u16::from(*version))
    }

    fn common<T: Copy + PartialEq>(&self, ours: &[T], offered: &[T]) -> Option<T> {
        let takes_any = !self.heeds_offer || offered.is_empty();
        let mut ours = ours.iter().copied();
        ours.find(|it| takes_any || offered.contains(it))
    }

    /// Up to where encryption would begin: a ServerHello, or where the client
    /// has sent no share of the group, a HelloRetryRequest.
    fn flight_13(hello: &ClientHello, suite: CipherSuite, group: NamedGroup) -> Vec<u8> {
        let version = extension(SUPPORTED_VERSIONS, &[3, 4]);
        let group_number = u16::from(group).to_be_bytes();
        let (random, share) = if hello.key_shares.contains(&group) {
            let share = [&group_number[..], &vec16(&share_of(group))].concat();
            (random(), extension(KEY_SHARE, &share))
        } else {
            (RETRY, extension(KEY_SHARE, &group_number))
        };
        let extensions = [version, share].concat();
        let hello = server_hello(
            ProtocolVersion::TLSv1_2,
            random,
            &hello.session_id,
            suite,
            &extensions,
        );
        record(ProtocolVersion::TLSv1_2, &hello)
    }

    fn flight_12(
        &self,
        hello: &ClientHello,
        version: ProtocolVersion,
        suite: CipherSuite,
        group: Option<NamedGroup>,
        scheme: Option<SignatureScheme>,
    ) -> Vec<u8> {
        let mut random = random();
        if self.downgraded {
            random[24..].copy_from_slice(&DOWNGRADED);
        }
        let exchange = Exchange::of(suite);
        let knows_renegotiation = hello.extensions.contains(&RENEGOTIATION_INFO)
            || hello
                .cipher_suites
                .contains(&CipherSuite::TLS_EMPTY_RENEGOTIATION_INFO_SCSV);
        // RFC 5746 section 3.6: this is the first handshake.
        let extensions = if knows_renegotiation {
            extension(RENEGOTIATION_INFO, &[0])
        } else {
            Vec::new()
        };
        let mut messages = server_hello(version, random, &[], suite, &extensions);
        if exchange.shows_certificate {
            let chain: Vec<u8> = self.chain.iter().flat_map(|der| vec24(der)).collect();
            messages.extend(message(CERTIFICATE, &vec24(&chain)));
        }
        if exchange.is_ephemeral {
            let mut parameters = match group.filter(|_| exchange.needs_group) {
                Some(group) => on_curve(group),
                None => in_finite_field(),
            };
            if let Some(scheme) = scheme.filter(|_| exchange.signs) {
                if version == ProtocolVersion::TLSv1_2 {
                    parameters.extend(u16::from(scheme).to_be_bytes());
                }
                // Nobody has the key to sign it.
                parameters.extend(vec16(&[0x5a; 64]));
            }
            messages.extend(message(SERVER_KEY_EXCHANGE, &parameters));
        }
        messages.extend(message(SERVER_HELLO_DONE, &[]));
        record(version, &messages)
    }
}

#[cfg(test)]
mod tests {
    use super::{octets::SERVER_HELLO, *};

    const RSA: CipherSuite = CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA;
    const ECDHE: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    const OF_13: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;

    /// A ClientHello that offers this, with key shares of the first group.
    #[derive(Clone)]
    struct Offer {
        versions: Vec<ProtocolVersion>,
        suites: Vec<CipherSuite>,
        groups: Vec<NamedGroup>,
        schemes: Vec<SignatureScheme>,
    }

    impl Offer {
        fn of_today() -> Self {
            Self {
                versions: vec![ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2],
                suites: vec![OF_13, ECDHE],
                groups: vec![NamedGroup::X25519, NamedGroup::secp256r1],
                schemes: vec![SignatureScheme::ECDSA_NISTP256_SHA256],
            }
        }

        fn hello(&self) -> ClientHello {
            ClientHello {
                size: 200,
                legacy_version: ProtocolVersion::TLSv1_2,
                session_id: vec![7; 32],
                versions: self.versions.clone(),
                cipher_suites: self.suites.clone(),
                groups: self.groups.clone(),
                key_shares: self.groups[..1].to_vec(),
                signature_schemes: self.schemes.clone(),
                server_name: None,
                alpn: Vec::new(),
                offers_psk: false,
                extensions: vec![SUPPORTED_VERSIONS],
            }
        }
    }

    /// The first octets that `stack` answers with.
    fn answer(stack: &Stack, offer: &Offer) -> Vec<u8> {
        let answer = stack.answer(&offer.hello());
        match &answer.acts[0] {
            crate::testrelay::answer::Act::Send(bytes) => bytes.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    fn alert(description: u8) -> Vec<u8> {
        vec![21, 3, 3, 0, 2, 2, description]
    }

    /// Version and suite of a ServerHello, which tells that it is one.
    fn chosen(answer: &[u8]) -> (u16, u16) {
        assert_eq!((answer[0], answer[5]), (22, SERVER_HELLO), "{answer:?}");
        let after = 5 + 4 + 2 + 32;
        let suite = after + 1 + usize::from(answer[after]);
        (
            u16::from_be_bytes([answer[9], answer[10]]),
            u16::from_be_bytes([answer[suite], answer[suite + 1]]),
        )
    }

    #[test]
    fn an_old_suite_is_chosen_once_it_is_offered() {
        let stack = Stack::new(
            &[ProtocolVersion::TLSv1_0, ProtocolVersion::TLSv1_2],
            &[RSA],
        );
        let mut offer = Offer::of_today();
        assert_eq!(answer(&stack, &offer), alert(40));
        offer.suites.push(RSA);
        assert_eq!(chosen(&answer(&stack, &offer)), (0x0303, u16::from(RSA)));
        let unasked = answer(&stack.heedless(), &Offer::of_today());
        assert_eq!(chosen(&unasked).1, u16::from(RSA));
    }

    #[test]
    fn an_old_version_is_chosen_once_it_is_offered() {
        let mut offer = Offer::of_today();
        offer.suites.push(RSA);
        let stack = Stack::new(&[ProtocolVersion::TLSv1_0], &[RSA]);
        // From before `supported_versions`: it goes by the field of TLS 1.2.
        assert_eq!(chosen(&answer(&stack, &offer)).0, 0x0301);
        let stack = stack.reading_supported_versions();
        assert_eq!(answer(&stack, &offer), alert(70));
        offer.versions.push(ProtocolVersion::TLSv1_0);
        assert_eq!(chosen(&answer(&stack, &offer)).0, 0x0301);
    }

    #[test]
    fn a_group_is_asked_for_once_it_is_offered() {
        let p521 = NamedGroup::secp521r1;
        let of_13 = Stack::new(&[ProtocolVersion::TLSv1_3], &[OF_13]).groups(&[p521]);
        let of_12 = Stack::new(&[ProtocolVersion::TLSv1_2], &[ECDHE]).groups(&[p521]);
        let mut offer = Offer::of_today();
        assert_eq!(answer(&of_13, &offer), alert(40));
        assert_eq!(answer(&of_12, &offer), alert(40));

        let retry = answer(&of_13.clone().heedless(), &offer);
        assert!(retry.windows(32).any(|it| it == RETRY));
        offer.groups.push(p521);
        assert_eq!(answer(&of_13, &offer), retry);
        assert!(retry.windows(32).any(|it| it == [7; 32]), "the session ID");
        assert_eq!(chosen(&answer(&of_12, &offer)), (0x0303, u16::from(ECDHE)));

        offer.groups = vec![p521];
        let hello = answer(&of_13, &offer);
        assert_eq!(chosen(&hello), (0x0303, u16::from(OF_13)));
        assert!(!hello.windows(32).any(|it| it == RETRY));
    }

    #[test]
    fn a_signature_is_made_once_it_is_offered() {
        let stack = Stack::new(&[ProtocolVersion::TLSv1_2], &[ECDHE]);
        let stack = stack.schemes(&[SignatureScheme::ED448]);
        let mut offer = Offer::of_today();
        assert_eq!(answer(&stack, &offer), alert(40));
        offer.schemes.push(SignatureScheme::ED448);
        assert_eq!(chosen(&answer(&stack, &offer)).1, u16::from(ECDHE));
    }

    #[test]
    fn what_is_answered_is_well_formed() {
        let stack = Stack::new(&[ProtocolVersion::TLSv1_2], &[ECDHE]);
        let chain = [CertificateDer::from(vec![1; 300])];
        let bytes = answer(&stack.certificate(&chain), &Offer::of_today());
        let length = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        assert_eq!(bytes.len(), 5 + length);
        let mut rest = &bytes[5..];
        let mut kinds = Vec::new();
        while let [kind, high, middle, low, body @ ..] = rest {
            kinds.push(*kind);
            let length = u32::from_be_bytes([0, *high, *middle, *low]);
            rest = &body[usize::try_from(length).unwrap()..];
        }
        assert_eq!(
            kinds,
            [
                SERVER_HELLO,
                CERTIFICATE,
                SERVER_KEY_EXCHANGE,
                SERVER_HELLO_DONE
            ]
        );
    }
}
