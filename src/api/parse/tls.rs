//! TLS settings for one mail.

use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};

use super::{Path, Violations, list::list};
use crate::{
    api::pb,
    mail::{Broken, Rule},
    report::TlsMode,
    smtp,
    tls::{Settings, Version},
};

const MAX_PEM_BYTES: usize = 65_536;
const MAX_KEY_PINS: usize = 8;

/// Parses TLS settings. Fields that are not set stay open.
pub(super) fn settings(
    violations: &mut Violations,
    path: Path<'_>,
    options: Option<pb::TlsOptions>,
) -> Settings {
    let options = options.unwrap_or_default();
    let mode = mode(violations, path.field("mode"), options.mode);
    let min_version = version(violations, path.field("min_version"), options.min_version);
    let max_version = version(violations, path.field("max_version"), options.max_version);
    if let (Some(min), Some(max)) = (min_version, max_version)
        && min > max
    {
        violations.breach(
            path.field("min_version"),
            Rule::Conflict,
            "must not be newer than `max_version`",
        );
    }
    let server_name = violations
        .parse_optional(path.field("server_name"), &options.server_name)
        .and_then(|host| violations.keep(path.field("server_name"), server_name(host)));
    let anchors = (!options.trust_anchors_pem.is_empty()).then(|| {
        let parsed = trust_anchors(&options.trust_anchors_pem);
        violations.keep(path.field("trust_anchors_pem"), parsed)
    });
    let key_pins = list(
        violations,
        path.field("key_pins"),
        &options.key_pins,
        MAX_KEY_PINS,
        |violations, path, pin| violations.parse(path, pin),
    );
    Settings {
        mode,
        min_version,
        max_version,
        server_name,
        trust_anchors: anchors.flatten(),
        key_pins: (!key_pins.is_empty()).then_some(key_pins),
        ..Settings::default()
    }
}

fn mode(violations: &mut Violations, path: Path<'_>, mode: i32) -> Option<TlsMode> {
    match pb::TlsMode::try_from(mode) {
        Ok(pb::TlsMode::Unspecified) => None,
        Ok(pb::TlsMode::Implicit) => Some(TlsMode::Implicit),
        Ok(pb::TlsMode::Starttls) => Some(TlsMode::Starttls),
        Ok(pb::TlsMode::StarttlsIfOffered) => Some(TlsMode::StarttlsIfOffered),
        Ok(pb::TlsMode::Plaintext) => Some(TlsMode::Plaintext),
        Err(_) => {
            violations.breach(path, Rule::UnknownValue, "must be a known mode");
            None
        }
    }
}

fn version(violations: &mut Violations, path: Path<'_>, version: i32) -> Option<Version> {
    use pb::TlsVersion;
    match TlsVersion::try_from(version) {
        Ok(TlsVersion::Unspecified) => None,
        Ok(TlsVersion::TlsVersion12) => Some(Version::Tls12),
        Ok(TlsVersion::TlsVersion13) => Some(Version::Tls13),
        Ok(TlsVersion::Ssl30 | TlsVersion::TlsVersion10 | TlsVersion::TlsVersion11) | Err(_) => {
            violations.breach(path, Rule::UnknownValue, "must be TLS 1.2 or TLS 1.3");
            None
        }
    }
}

fn server_name(host: smtp::Host) -> Result<ServerName<'static>, Broken> {
    match host {
        smtp::Host::Ip(ip) => Ok(ServerName::from(ip)),
        smtp::Host::Name(name) => ServerName::try_from(name)
            .map_err(|_| Broken::new(Rule::Syntax, "must be a host name or an IP address")),
    }
}

fn trust_anchors(pem: &str) -> Result<Vec<CertificateDer<'static>>, Broken> {
    if pem.len() > MAX_PEM_BYTES {
        return Err(Broken::new(
            Rule::Length,
            format!("must not be longer than {MAX_PEM_BYTES} bytes"),
        ));
    }
    let anchors = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .unwrap_or_default();
    let usable = anchors
        .iter()
        .all(|anchor| webpki::anchor_from_trusted_cert(anchor).is_ok());
    if anchors.is_empty() || !usable {
        return Err(Broken::new(Rule::Syntax, "must be certificates in PEM"));
    }
    Ok(anchors)
}
