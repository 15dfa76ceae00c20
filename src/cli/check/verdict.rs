//! The whole report in one sentence.

use super::{job::Subject, words};
use crate::api::client::pb::{self, relay_failure::Reason};

/// Whether the relay takes mail, and if not, why.
pub(super) fn verdict(check: &pb::CheckRelayResponse, subject: &Subject, now: i64) -> String {
    let authority = subject.authority();
    match (check.findings.first(), &check.session) {
        (Some(failure), _) => format!("{authority} does not take mail: {}", why(failure, now)),
        (None, Some(session)) => match &session.tls {
            Some(tls) => format!(
                "{authority} takes mail over {} ({})",
                words::mode(tls.mode()),
                words::version(tls.version())
            ),
            None => format!("{authority} takes mail in plaintext"),
        },
        (None, None) => format!("{authority} takes mail"),
    }
}

fn why(failure: &pb::RelayFailure, now: i64) -> String {
    let chain = failure.tls.as_ref().map(|tls| tls.certificates.as_slice());
    let leaf = chain.and_then(<[_]>::first);
    match failure.reason() {
        Reason::CertExpired => expired(leaf, now),
        Reason::CertNotYetValid => not_yet_valid(leaf, now),
        Reason::Unspecified => "the reason is not known here".into(),
        reason => match phrase(reason) {
            Some(phrase) => phrase.into(),
            None => words::reason(reason).to_lowercase().replace('_', " "),
        },
    }
}

fn expired(leaf: Option<&pb::Certificate>, now: i64) -> String {
    let end = leaf.and_then(|it| it.not_after_time.as_ref());
    match end.map(|end| end.seconds) {
        Some(end) if end < now => {
            format!("the certificate expired {}", words::distance(end, now))
        }
        _ => "a certificate of its chain expired".into(),
    }
}

fn not_yet_valid(leaf: Option<&pb::Certificate>, now: i64) -> String {
    let start = leaf.and_then(|it| it.not_before_time.as_ref());
    match start.map(|start| start.seconds) {
        Some(start) if start > now => {
            format!("the certificate is valid from {} only", words::day(start))
        }
        _ => "a certificate of its chain is not valid yet".into(),
    }
}

/// What is wrong, as it follows "does not take mail:". `None` where the name of
/// the reason says it.
fn phrase(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::DnsNotFound => "its name does not exist or has no address",
        Reason::DnsTemporary => "the name server does not answer",
        Reason::ConnectRefused => "nothing listens there",
        Reason::ConnectTimeout => "it does not answer the connection",
        Reason::ConnectUnreachable => "it cannot be reached from here",
        Reason::ConnectionClosed | Reason::ConnectionReset => "it hangs up before it speaks",
        Reason::PlaintextOnTlsPort => "the port speaks plaintext first, not TLS",
        Reason::TlsOnPlaintextPort => "the port speaks TLS first, not plaintext",
        Reason::NotSmtp => "what answers is not SMTP",
        Reason::NotTls => "what answers is not TLS",
        Reason::BannerTimeout => "it does not greet",
        Reason::BannerRejected => "it refuses this client",
        Reason::EhloRejected => "it refuses EHLO",
        Reason::ReplyMalformed => "its reply is not SMTP",
        Reason::ReplyTooLarge => "its reply has no end",
        Reason::ReplyTimeout => "it does not reply",
        Reason::StarttlsNotOffered => "it does not offer STARTTLS",
        Reason::StarttlsStripped => "something on the way removes STARTTLS",
        Reason::StarttlsRefusedTemporary | Reason::StarttlsRefused => {
            "it offers STARTTLS and then refuses it"
        }
        Reason::StarttlsInjection => "something was injected before encryption",
        Reason::StarttlsNoTls => "it agrees to STARTTLS and goes on in plaintext",
        Reason::StarttlsRequired => "it takes nothing before STARTTLS",
        Reason::NoCommonVersion => "no TLS version in common",
        Reason::NoCommonCipher => "no cipher suite in common",
        Reason::NoCommonGroup => "no key exchange group in common",
        Reason::NoCommonSignature => "no signature scheme in common",
        Reason::VersionIntolerant => "it cannot bear an offer of TLS 1.3",
        Reason::HelloTooLarge => "a large ClientHello does not get through",
        Reason::HandshakeRefused => "it refuses the TLS handshake",
        Reason::SniRejected => "it does not know the name it was called by",
        Reason::AccessDenied => "its TLS lets this client not in",
        Reason::ServerInternalError => "its TLS fails",
        Reason::PskRequired => "it wants a pre-shared key",
        Reason::HandshakeTimeout => "it falls silent in the TLS handshake",
        Reason::HandshakeClosed | Reason::HandshakeReset => "it hangs up in the TLS handshake",
        Reason::DowngradeDetected => "somebody lowers the TLS version",
        Reason::ProtocolViolation => "its TLS breaks the protocol",
        Reason::CertNameMismatch => "the certificate is for other names",
        Reason::SmtpIntercepted => "somebody else answers",
        Reason::CertNoSan => "the certificate names no host",
        Reason::CertSelfSigned => "the certificate is self-signed",
        Reason::CertIncompleteChain => "it does not send its intermediate certificate",
        Reason::CertUntrustedRoot => "its root is not trusted here",
        Reason::CertUnknownIssuer => "the issuer of the certificate is not known here",
        Reason::CertRevoked => "the certificate was revoked",
        Reason::CertWrongPurpose => "the certificate is not one for servers",
        Reason::CertCaAsLeaf => "it shows the certificate of a CA as its own",
        Reason::CertWeakSignature => "the certificate has a weak signature",
        Reason::CertWeakKey => "the certificate has a weak key",
        Reason::CertBadSignature => "the certificate has a wrong signature",
        Reason::CertMalformed => "the certificate cannot be read",
        Reason::CertMissing => "it shows no certificate",
        Reason::CertPinMismatch => "the certificate has another key than the pinned",
        Reason::ClientCertRequired => "it wants a client certificate",
        Reason::ClientCertRejected => "it refuses our client certificate",
        Reason::AuthRejected => "it refuses the credentials",
        Reason::AuthRequired => "it wants AUTH",
        Reason::AuthMechanism => "it offers no AUTH that fits the credentials",
        Reason::AuthTemporary => "it cannot check the credentials now",
        Reason::AuthUnproven => "it does not prove that it knows the password",
        Reason::Deferred => "not now, it says",
        Reason::RelayClosing => "it closes, or limits connections",
        Reason::ConnectionLost => "the connection broke",
        Reason::DeadlineExceeded => "the time ran out",
        Reason::LocalTrustStore => "there are no trust anchors on this machine",
        Reason::LocalClock => "this machine's clock is wrong",
        Reason::LocalConfig => "the settings do not allow it",
        _ => return None,
    })
}
