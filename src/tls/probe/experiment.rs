//! The handshakes that an inquiry may try.

use super::{Ours, hello::Hello, wide};
use crate::tls::{Version, policy::Deviation};

/// One kind of handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Experiment {
    /// A whole handshake that does something otherwise.
    Whole(&'static str, Deviation),
    /// A hello with all that TLS 1.2 and older know, or less.
    UpTo12(Width),
    /// A hello with all that TLS 1.3 knows, or less.
    Only13(Width),
    /// A hello of TLS 1.3 with no signature scheme but Ed448.
    Ed448,
    /// A hello of TLS 1.3 with no signature scheme but those for RSA-PSS keys.
    RsaPss,
    /// A hello of TLS 1.3 with a pre-shared key.
    Psk,
    /// A hello of TLS 1.0 without extensions.
    Old,
}

/// What of a hello is ours, while all else is wide.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Width {
    Wide,
    OurSuites,
    OurSuitesAndGroups,
    /// And our signature schemes.
    Ours,
}

const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;

impl Experiment {
    /// Our offer again.
    pub(super) const SAME: Self = Self::Whole(
        "same-offer",
        Deviation {
            version: None,
            classical: false,
            nameless: false,
        },
    );
    /// Our offer as TLS 1.2 alone.
    pub(super) const TLS12: Self = Self::Whole(
        "tls12-only",
        Deviation {
            version: Some(Version::Tls12),
            classical: false,
            nameless: false,
        },
    );
    /// Our offer without the groups that make it large.
    pub(super) const SMALL: Self = Self::Whole(
        "no-post-quantum",
        Deviation {
            version: None,
            classical: true,
            nameless: false,
        },
    );
    /// Our offer without SNI.
    pub(super) const NAMELESS: Self = Self::Whole(
        "without-sni",
        Deviation {
            version: None,
            classical: false,
            nameless: true,
        },
    );

    /// What it changes.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Whole(name, _) => name,
            Self::UpTo12(Width::Wide) => "wide-tls12",
            Self::UpTo12(Width::OurSuites) => "our-suites-tls12",
            Self::UpTo12(Width::OurSuitesAndGroups) => "our-groups-tls12",
            Self::Only13(Width::Wide) => "wide-tls13",
            Self::Only13(Width::OurSuites) => "our-suites-tls13",
            Self::Only13(Width::OurSuitesAndGroups) => "our-groups-tls13",
            Self::UpTo12(Width::Ours) => "our-signatures-tls12",
            Self::Only13(Width::Ours) => "our-signatures-tls13",
            Self::Ed448 => "ed448-tls13",
            Self::RsaPss => "rsa-pss-tls13",
            Self::Psk => "psk-tls13",
            Self::Old => "tls10",
        }
    }

    /// The hello of an experiment that is no whole handshake.
    pub(super) fn hello(self, ours: &Ours) -> Hello {
        match self {
            Self::UpTo12(width) => up_to_12(width, ours),
            Self::Only13(width) => only_13(width, ours),
            Self::Ed448 => Hello {
                schemes: wide::ED448.to_vec(),
                ..only_13(Width::Wide, ours)
            },
            Self::RsaPss => Hello {
                schemes: wide::RSA_PSS.to_vec(),
                ..only_13(Width::Wide, ours)
            },
            Self::Psk => Hello {
                psk: true,
                ..only_13(Width::Wide, ours)
            },
            Self::Old | Self::Whole(..) => Hello {
                legacy_version: 0x0301,
                suites: wide::OLD_SUITES.to_vec(),
                ..Hello::default()
            },
        }
    }
}

fn up_to_12(width: Width, ours: &Ours) -> Hello {
    Hello {
        legacy_version: TLS12,
        suites: narrow(width >= Width::OurSuites, &ours.suites, &[wide::SUITES]),
        groups: narrow(
            width >= Width::OurSuitesAndGroups,
            &ours.groups,
            &[wide::GROUPS],
        ),
        schemes: narrow(width >= Width::Ours, &ours.schemes, &[wide::SCHEMES]),
        server_name: ours.server_name.clone(),
        ..Hello::default()
    }
}

fn only_13(width: Width, ours: &Ours) -> Hello {
    Hello {
        legacy_version: TLS12,
        versions: vec![TLS13],
        suites: narrow(
            width >= Width::OurSuites,
            &ours.suites_13,
            &[wide::SUITES_13],
        ),
        groups: narrow(
            width >= Width::OurSuitesAndGroups,
            &ours.groups_13,
            &[wide::GROUPS, wide::GROUPS_13],
        ),
        schemes: narrow(width >= Width::Ours, &ours.schemes, &[wide::SCHEMES]),
        shares: ours.shares.clone(),
        server_name: ours.server_name.clone(),
        ..Hello::default()
    }
}

/// Ours, and if it is to be wide, all others behind them.
fn narrow(is_narrow: bool, ours: &[u16], all: &[&[u16]]) -> Vec<u16> {
    if is_narrow {
        return ours.to_vec();
    }
    let mut numbers = ours.to_vec();
    let all = all.iter().copied().flatten();
    numbers.extend(all.filter(|it| !ours.contains(it)));
    numbers
}
