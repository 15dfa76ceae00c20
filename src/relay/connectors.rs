//! TLS connectors by policy. One that is made twice resumes no session, and
//! lends no connection to the other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    smtp::Host,
    tls::{Connector, PolicyError, Settings, SystemRoots},
};

/// The connectors that were asked for last.
#[derive(Debug)]
pub(super) struct Connectors {
    most: usize,
    /// The last that was asked for is last.
    recent: Mutex<Vec<(Policy, Connector)>>,
}

/// What a connector is made for.
#[derive(Debug, PartialEq)]
pub(super) struct Policy {
    pub(super) host: Host,
    pub(super) port: u16,
    /// All layers, merged.
    pub(super) tls: Settings,
}

impl Connectors {
    /// Keeps up to `most`, at least one.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            recent: Mutex::default(),
        }
    }

    /// The connector for `policy`.
    pub(super) fn get(
        &self,
        policy: Policy,
        roots: &SystemRoots,
    ) -> Result<Connector, PolicyError> {
        if let Some(known) = find(&mut self.recent(), &policy) {
            return Ok(known);
        }
        // Takes a while: others need not wait for it.
        let connector = Connector::new(&policy.tls, &policy.host.to_server_name(), roots)?;
        let mut recent = self.recent();
        // Another caller may have been faster.
        if let Some(known) = find(&mut recent, &policy) {
            return Ok(known);
        }
        if recent.len() >= self.most {
            recent.remove(0);
        }
        recent.push((policy, connector.clone()));
        Ok(connector)
    }

    fn recent(&self) -> MutexGuard<'_, Vec<(Policy, Connector)>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(recent: &mut [(Policy, Connector)], policy: &Policy) -> Option<Connector> {
    let at = recent.iter().rposition(|(known, _)| known == policy)?;
    recent[at..].rotate_left(1);
    recent.last().map(|(_, connector)| connector.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Version;

    fn policy(port: u16, min_version: Version) -> Policy {
        Policy {
            host: "mail.example.com".parse().unwrap(),
            port,
            tls: Settings {
                min_version: Some(min_version),
                ..Settings::default()
            },
        }
    }

    #[test]
    fn one_policy_has_one_connector_and_the_latest_are_kept() {
        let roots = SystemRoots::bundled();
        let connectors = Connectors::new(2);
        let get = |port, version| connectors.get(policy(port, version), &roots).unwrap();

        let first = get(1, Version::Tls12);
        assert_eq!(get(1, Version::Tls12), first);
        let strict = get(1, Version::Tls13);
        assert_ne!(strict, first);
        // The first was asked for again, so that the strict one has to go.
        assert_eq!(get(1, Version::Tls12), first);
        assert_ne!(get(2, Version::Tls12), first);
        assert_eq!(get(1, Version::Tls12), first);
        assert_ne!(get(1, Version::Tls13), strict);
    }
}
