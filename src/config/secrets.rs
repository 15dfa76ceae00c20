//! Credentials in files, which are read again when they change: Kubernetes
//! swaps the folder that a secret is mounted in, others write over the file.
//! Contents are compared rather than times, which a swift change may leave as
//! they were.

use std::{
    fs,
    path::{Path, PathBuf},
    str,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use secrecy::SecretString;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::{file, tls::unreadable};
use crate::{
    relay::{CredentialSource, CurrentCredentials},
    smtp::Credentials,
};

/// How often the files are read.
const EVERY: Duration = Duration::from_secs(1);

/// The files with secrets that the configuration names.
#[derive(Clone, Debug, Default)]
pub struct Secrets(pub(super) Vec<Arc<SecretFiles>>);

impl Secrets {
    /// Reads the files every second, for ever. Until then and without it,
    /// their relays keep the credentials that were there at the start.
    pub async fn watch(self) {
        if self.0.is_empty() {
            return;
        }
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let files = self.0.clone();
            let reading = tokio::task::spawn_blocking(move || {
                for file in &files {
                    file.refresh();
                }
            });
            if reading.await.is_err() {
                warn!("the files with credentials are no longer read again");
                return;
            }
        }
    }
}

/// A relay's credentials, and the files that they come from.
#[derive(Debug)]
pub(super) struct SecretFiles {
    /// The key of the secret, for the log.
    key: String,
    username: Username,
    secret: SecretFile,
    held: RwLock<CurrentCredentials>,
}

/// Where the user name comes from.
#[derive(Debug)]
pub(super) enum Username {
    /// The configuration itself.
    Given,
    File(PathBuf),
}

/// Where the secret comes from.
#[derive(Debug)]
pub(super) enum SecretFile {
    Password(PathBuf),
    Token(PathBuf),
}

impl SecretFiles {
    /// `credentials` are what was read last.
    pub(super) fn new(
        key: String,
        username: Username,
        secret: SecretFile,
        credentials: Credentials,
    ) -> Self {
        Self {
            key,
            username,
            secret,
            held: RwLock::new(CurrentCredentials {
                credentials,
                are_stale: false,
            }),
        }
    }

    /// Takes over what the files hold now. What can no longer be read, or is
    /// no longer valid, leaves things as they were.
    fn refresh(&self) {
        let key = self.key.as_str();
        if !self.is_in_files() {
            return;
        }
        let CurrentCredentials {
            credentials: old,
            are_stale,
        } = self.current();
        match self.read(&old) {
            Ok(new) if new == old => {
                if are_stale {
                    info!(key, "the credentials can be read again, and are the same");
                    self.hold(new, false);
                }
            }
            Ok(new) => {
                // A change of two files, or of one that is just being written,
                // is seen whole only when it is seen twice.
                let again = self.read(&old);
                if again.is_ok_and(|again| again == new) {
                    info!(key, "the credentials have changed");
                    self.hold(new, false);
                }
            }
            Err(fault) if !are_stale => {
                warn!(
                    key,
                    fault, "the credentials cannot be read again: the last ones are used"
                );
                self.hold(old, true);
            }
            Err(_) => {}
        }
    }

    fn read(&self, old: &Credentials) -> Result<Credentials, String> {
        let username = match &self.username {
            Username::Given => old.username().to_owned(),
            Username::File(path) => username_in(path)?,
        };
        Ok(match &self.secret {
            SecretFile::Password(path) => Credentials::Password {
                username,
                password: password_in(path)?,
            },
            SecretFile::Token(path) => Credentials::OAuth {
                username,
                token: token_in(path)?,
            },
        })
    }

    /// Whether they can be read more than once: what comes through a pipe
    /// cannot.
    fn is_in_files(&self) -> bool {
        let (SecretFile::Password(secret) | SecretFile::Token(secret)) = &self.secret;
        let username = match &self.username {
            Username::Given => None,
            Username::File(path) => Some(path),
        };
        let mut paths = username.into_iter().chain([secret]);
        paths.all(|path| fs::metadata(path).map_or(true, |it| it.is_file()))
    }

    fn hold(&self, credentials: Credentials, are_stale: bool) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = CurrentCredentials {
            credentials,
            are_stale,
        };
    }
}

impl CredentialSource for SecretFiles {
    fn current(&self) -> CurrentCredentials {
        self.held
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

pub(super) const MAX_USERNAME_BYTES: usize = 255;
const MAX_PASSWORD_BYTES: usize = 1024;
const MAX_TOKEN_BYTES: usize = 8192;

pub(super) fn username_in(path: &Path) -> Result<String, String> {
    line(path, MAX_USERNAME_BYTES)
}

pub(super) fn password_in(path: &Path) -> Result<SecretString, String> {
    line(path, MAX_PASSWORD_BYTES).map(SecretString::from)
}

pub(super) fn token_in(path: &Path) -> Result<SecretString, String> {
    line(path, MAX_TOKEN_BYTES).map(SecretString::from)
}

/// The one line in a file, without its line break.
fn line(path: &Path, max_bytes: usize) -> Result<String, String> {
    let wrong = |fault: &str| format!("names the file {}, {fault}", path.display());

    // Room for the line break.
    let limit = max_bytes as u64 + 2;
    let bytes = file::bytes(path, limit).map_err(|error| unreadable(path, &error))?;
    let text = str::from_utf8(&bytes).map_err(|_| wrong("which is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(wrong("which is empty"));
    }
    if text.len() > max_bytes {
        return Err(wrong(&format!("which has more than {max_bytes} bytes")));
    }
    if text.contains(['\r', '\n', '\0']) {
        return Err(wrong("which must hold one line without NUL"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::unix::fs::symlink};

    use tempfile::TempDir;

    use super::*;

    struct Mount {
        folder: TempDir,
        files: SecretFiles,
    }

    impl Mount {
        /// A user name and a password, both in files.
        fn new(username: &str, password: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = |name| folder.path().join(name);
            let files = SecretFiles::new(
                "relays.a.credentials.password_file".to_owned(),
                Username::File(path("username")),
                SecretFile::Password(path("password")),
                Credentials::Password {
                    username: username.to_owned(),
                    password: password.into(),
                },
            );
            let mount = Self { folder, files };
            mount.write("username", username);
            mount.write("password", password);
            mount
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.folder.path().join(name), text).unwrap();
        }

        /// After another look: the user name, whether the password is the one
        /// given, and whether it is stale.
        fn look(&self, password: &str) -> (String, bool, bool) {
            self.files.refresh();
            let CurrentCredentials {
                credentials,
                are_stale,
            } = self.files.current();
            let expected = Credentials::Password {
                username: credentials.username().to_owned(),
                password: password.into(),
            };
            let is_it = credentials == expected;
            (credentials.username().to_owned(), is_it, are_stale)
        }
    }

    fn is(username: &str, are_stale: bool) -> (String, bool, bool) {
        (username.to_owned(), true, are_stale)
    }

    #[test]
    fn what_the_files_hold_is_taken_over() {
        let mount = Mount::new("ada", "one");
        assert_eq!(mount.look("one"), is("ada", false));
        mount.write("password", "two\n");
        assert_eq!(mount.look("two"), is("ada", false));
        mount.write("username", "eve");
        assert_eq!(mount.look("two"), is("eve", false));
    }

    #[test]
    fn a_folder_that_is_swapped_is_seen_as_kubernetes_does_it() {
        let mount = Mount::new("ada", "one");
        let root = mount.folder.path();
        for (version, password) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(root.join(version)).unwrap();
            mount.write(&format!("{version}/password"), password);
        }
        fs::remove_file(root.join("password")).unwrap();
        symlink("..1", root.join("..data")).unwrap();
        symlink("..data/password", root.join("password")).unwrap();
        assert_eq!(mount.look("one"), is("ada", false));
        symlink("..2", root.join("..tmp")).unwrap();
        fs::rename(root.join("..tmp"), root.join("..data")).unwrap();
        assert_eq!(mount.look("two"), is("ada", false));
    }

    #[test]
    fn what_cannot_be_read_leaves_the_last_good_credentials() {
        let mount = Mount::new("ada", "one");
        for text in ["", "\n", "a\nb", "a\0", &"x".repeat(1025)] {
            mount.write("password", text);
            assert_eq!(mount.look("one"), is("ada", true), "{text:?}");
        }
        let mut file = fs::File::create(mount.folder.path().join("password")).unwrap();
        file.write_all(b"\xff\xfe").unwrap();
        assert_eq!(mount.look("one"), is("ada", true));
        mount.write("password", "one");
        assert_eq!(mount.look("one"), is("ada", false));
        fs::remove_file(mount.folder.path().join("username")).unwrap();
        assert_eq!(mount.look("one"), is("ada", true));
        mount.write("username", "ada");
        mount.write("password", "two");
        assert_eq!(mount.look("two"), is("ada", false));
    }

    #[test]
    fn what_is_no_file_is_read_once() {
        let mount = Mount::new("ada", "one");
        let path = mount.folder.path().join("password");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(mount.look("one"), is("ada", false));
    }

    #[tokio::test(start_paused = true)]
    async fn the_files_are_read_every_second() {
        let mount = Mount::new("ada", "one");
        let files = Arc::new(mount.files);
        let folder = mount.folder;
        let watching = tokio::spawn(Secrets(vec![Arc::clone(&files)]).watch());
        let secret = |text: &str| Credentials::Password {
            username: "ada".to_owned(),
            password: text.into(),
        };
        for text in ["two", "three"] {
            fs::write(folder.path().join("password"), text).unwrap();
            tokio::time::sleep(EVERY * 2).await;
            assert_eq!(files.current().credentials, secret(text));
        }
        watching.abort();
        // With nothing to watch, it ends.
        Secrets::default().watch().await;
    }
}
