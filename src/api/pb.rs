//! The generated code, and the descriptors that it was generated from.

use std::{fmt, sync::LazyLock};

use prost_reflect::DescriptorPool;

#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "generated; the protos are held to buf's rules instead"
)]
mod generated {
    tonic::include_proto!("posthaste.v1");
}

pub use generated::*;

/// The protos as an encoded `FileDescriptorSet`, without comments.
pub(super) const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("posthaste.v1");

/// The same, decoded once.
pub(super) static DESCRIPTORS: LazyLock<DescriptorPool> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "build.rs wrote these bytes from a valid set"
    )]
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the descriptor set is valid")
});

impl fmt::Debug for PasswordCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordCredentials")
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OAuthCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthCredentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        for secret in [
            credentials::Secret::Password(PasswordCredentials {
                username: "ada".into(),
                password: "hunter2".into(),
            }),
            credentials::Secret::Oauth(OAuthCredentials {
                username: "ada".into(),
                token: "hunter2".into(),
            }),
        ] {
            let shown = format!(
                "{:?}",
                Credentials {
                    secret: Some(secret)
                }
            );
            assert!(shown.contains("Credentials"), "{shown}");
            assert!(
                !shown.contains("hunter2") && !shown.contains("ada"),
                "{shown}"
            );
        }
    }
}
