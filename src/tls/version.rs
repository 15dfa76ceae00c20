//! The protocol versions that posthaste speaks, and names for those it meets.

use std::{fmt, str::FromStr};

use crate::{
    mail::{Broken, Rule},
    report::TlsVersion,
};

/// A version that posthaste speaks. Written as `1.2` and `1.3`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl Version {
    /// As rustls knows it.
    pub(super) fn protocol(self) -> &'static rustls::SupportedProtocolVersion {
        match self {
            Self::Tls12 => &rustls::version::TLS12,
            Self::Tls13 => &rustls::version::TLS13,
        }
    }
}

impl From<Version> for TlsVersion {
    fn from(version: Version) -> Self {
        match version {
            Version::Tls12 => Self::Tls12,
            Version::Tls13 => Self::Tls13,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        })
    }
}

impl FromStr for Version {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Broken> {
        match text {
            "1.2" => Ok(Self::Tls12),
            "1.3" => Ok(Self::Tls13),
            _ => Err(Broken::new(Rule::UnknownValue, "must be 1.2 or 1.3")),
        }
    }
}

/// The name of a version for a sentence.
pub(super) fn name(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::Ssl30 => "SSL 3.0",
        TlsVersion::Tls10 => "TLS 1.0",
        TlsVersion::Tls11 => "TLS 1.1",
        TlsVersion::Tls12 => "TLS 1.2",
        TlsVersion::Tls13 => "TLS 1.3",
    }
}

/// The version with a number on the wire (RFC 8446 section 4.2.1).
pub(super) fn from_wire(number: u16) -> Option<TlsVersion> {
    match number {
        0x0300 => Some(TlsVersion::Ssl30),
        0x0301 => Some(TlsVersion::Tls10),
        0x0302 => Some(TlsVersion::Tls11),
        0x0303 => Some(TlsVersion::Tls12),
        0x0304 => Some(TlsVersion::Tls13),
        _ => None,
    }
}

/// The number of a version on the wire.
pub(super) fn to_wire(version: TlsVersion) -> u16 {
    match version {
        TlsVersion::Ssl30 => 0x0300,
        TlsVersion::Tls10 => 0x0301,
        TlsVersion::Tls11 => 0x0302,
        TlsVersion::Tls12 => 0x0303,
        TlsVersion::Tls13 => 0x0304,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_versions_that_are_spoken_are_read() {
        for version in [Version::Tls12, Version::Tls13] {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        for text in ["1.1", "1.0", "TLS 1.2", "1.20", "", "1.2 "] {
            let broken = text.parse::<Version>().unwrap_err();
            assert_eq!(broken.rule, Rule::UnknownValue, "{text:?}");
        }
        assert!(Version::Tls12 < Version::Tls13);
    }
}
