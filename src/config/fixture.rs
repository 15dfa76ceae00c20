//! A folder with a configuration and the files that it names, for tests.

use std::{fs, path::PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};

use super::{Config, ConfigError, Sources, load};

/// What every secret file of a fixture holds. It may appear nowhere.
pub(super) const SECRET: &str = "canary-7Qz";

/// A folder that is removed in the end.
pub(super) struct Fixture(tempfile::TempDir);

impl Fixture {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// `NAME.ca.pem`, `NAME.crl.pem`, `NAME.key.pem`.
    pub(super) fn write_pki(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([format!("{name}.example.com")]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).unwrap();
        let crl = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2036, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let crl = crl.signed_by(&Issuer::from_params(&params, &key)).unwrap();
        self.write(&format!("{name}.ca.pem"), certificate.pem());
        self.write(&format!("{name}.crl.pem"), crl.pem().unwrap());
        self.write(&format!("{name}.key.pem"), key.serialize_pem());
    }

    pub(super) fn load(&self, toml: &str) -> Result<Config, ConfigError> {
        self.load_with(toml, &[], &[])
    }

    pub(super) fn load_with(
        &self,
        toml: &str,
        env: &[(&str, &str)],
        overrides: &[(&str, &str)],
    ) -> Result<Config, ConfigError> {
        load(&Sources {
            file: Some(self.write("posthaste.toml", toml)),
            env: owned(env),
            overrides: owned(overrides),
        })
    }

    /// Its path, with a slash at the end.
    pub(super) fn folder(&self) -> String {
        format!("{}/", self.0.path().display())
    }

    /// What is wrong with `toml`, each problem without the folder's path.
    pub(super) fn problems(&self, toml: &str) -> Vec<String> {
        self.told(&self.load(toml).unwrap_err())
    }

    pub(super) fn told(&self, error: &ConfigError) -> Vec<String> {
        let folder = self.folder();
        let problems = error.problems().iter();
        problems
            .map(|problem| problem.to_string().replace(&folder, ""))
            .collect()
    }
}

pub(super) fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
