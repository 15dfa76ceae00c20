//! The certificates that the cases show. Made anew at each start, and kept in
//! memory.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use rcgen::PKCS_RSA_SHA256;

use crate::testrelay::{
    Tls,
    ca::{Ca, Identity, Leaf, pem},
};

const DAY: Duration = Duration::from_hours(24);

/// What all cases share.
#[derive(Debug)]
pub(super) struct Pki {
    /// The name that the client connects to.
    pub(super) host: String,
    /// The address that it may connect to instead.
    pub(super) ip: IpAddr,
    /// What the client trusts.
    pub(super) root: Ca,
    /// What issues most certificates.
    pub(super) intermediate: Ca,
    /// A certificate that is in order, with an RSA key.
    pub(super) rsa: Identity,
    /// A CA that the client does not trust.
    pub(super) stranger: Ca,
    /// A certificate that is on its issuer's revocation list.
    pub(super) revoked: Identity,
    /// A certificate whose issuer's revocation list is past its time.
    pub(super) unlisted: Identity,
    /// The one whose key a client is told to pin; no relay has it.
    pub(super) pinned: Identity,
    /// What the client shows; no relay takes it.
    pub(super) client: Identity,
    /// Who issues clients' certificates that the relays would take.
    pub(super) client_ca: Ca,
    crls: Vec<u8>,
}

impl Pki {
    /// Certificates for `host`.
    pub(super) fn new(host: &str, ip: IpAddr) -> Self {
        let root = Ca::new("posthaste-faultd Root");
        let intermediate = root.intermediate("posthaste-faultd Intermediate");
        let listing = root.intermediate("posthaste-faultd Listing Intermediate");
        let lazy = root.intermediate("posthaste-faultd Lazy Intermediate");
        let revoked = listing.server(host);
        let unlisted = lazy.server(host);
        let lists = [
            listing.revoke([&revoked]),
            lazy.revoke_until([], SystemTime::now() - 3 * DAY),
        ];
        let crls = lists
            .iter()
            .map(|list| pem("X509 CRL", list))
            .collect::<String>();
        Self {
            host: host.to_owned(),
            ip,
            stranger: Ca::new("posthaste-faultd Stranger"),
            rsa: intermediate.issue(Leaf::new([host]).key_of(&PKCS_RSA_SHA256)),
            pinned: intermediate.server(host),
            client: Ca::new("posthaste-faultd Former Client CA").client("client"),
            client_ca: Ca::new("posthaste-faultd Client CA"),
            root,
            intermediate,
            revoked,
            unlisted,
            crls: crls.into_bytes(),
        }
    }

    /// What a certificate for the host usually says.
    pub(super) fn leaf(&self) -> Leaf {
        Leaf::new([self.host.as_str()])
    }

    /// A certificate that is in order.
    pub(super) fn good(&self) -> Tls {
        Tls::new(self.intermediate.server(&self.host))
    }

    /// One for this leaf, by the usual intermediate.
    pub(super) fn issue(&self, leaf: Leaf) -> Tls {
        Tls::new(self.intermediate.issue(leaf))
    }

    /// The revocation lists, as a file holds them.
    pub(super) fn crl_pem(&self) -> &[u8] {
        &self.crls
    }
}
