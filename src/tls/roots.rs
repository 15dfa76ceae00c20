//! The trust anchors that every relay's policy starts from.

use std::sync::Arc;

use rustls::RootCertStore;

/// The trust anchors of the system, or the bundled ones where there are none.
/// Load them once and share them: clones are cheap.
#[derive(Clone, Debug)]
pub struct SystemRoots {
    pub(super) store: Arc<RootCertStore>,
    pub(super) origin: Origin,
}

/// Where trust anchors came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    System,
    /// The system keeps none.
    Bundled,
    /// Those of the system cannot be read: the bundled ones stand in.
    StandIn,
}

/// Where the trust anchors of one policy came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct TrustSource {
    /// For people.
    pub(super) name: &'static str,
    /// Whether the system's should be among them, and are not.
    pub(super) lacks_system: bool,
}

impl SystemRoots {
    /// Loads them from where the system keeps them, or from `SSL_CERT_FILE`
    /// and `SSL_CERT_DIR` where those are set. Falls back to the bundled ones
    /// when there are none. Takes milliseconds and reads files.
    pub fn load() -> Self {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "cannot load some of the system's trust anchors");
        }
        let mut store = RootCertStore::empty();
        let (_, ignored) = store.add_parsable_certificates(found.certs);
        if ignored > 0 {
            tracing::debug!(ignored, "some of the system's trust anchors cannot be read");
        }
        if store.is_empty() {
            let is_broken = ignored > 0 || !found.errors.is_empty();
            return Self {
                origin: if is_broken {
                    Origin::StandIn
                } else {
                    Origin::Bundled
                },
                ..Self::bundled()
            };
        }
        Self {
            store: Arc::new(store),
            origin: Origin::System,
        }
    }

    /// The bundled ones: Mozilla's, as of the build.
    pub fn bundled() -> Self {
        Self {
            store: Arc::new(RootCertStore {
                roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            }),
            origin: Origin::Bundled,
        }
    }

    /// Where they came from: `system` or `bundled`.
    pub fn source(&self) -> &'static str {
        match self.origin {
            Origin::System => "system",
            Origin::Bundled | Origin::StandIn => "bundled",
        }
    }
}
