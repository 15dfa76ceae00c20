//! A relay of our own on loopback ports, started once for all tests.

use std::{
    collections::hash_map::RandomState,
    fs,
    hash::{BuildHasher as _, Hasher as _},
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    ops::Range,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::kind::Kind;

pub(super) const USERNAME: &str = "sender";
/// Not ASCII, and with a space: AUTH must carry it as it is.
pub(super) const PASSWORD: &str = "pässword with spaces";
/// The largest message in octets, in each relay's configuration.
pub(super) const SIZE_LIMIT: usize = 2 * 1024 * 1024;

const START_LIMIT: Duration = Duration::from_secs(30);

/// A running relay. It stops when the pipe to `run.sh` closes, which the end of
/// this process does.
pub(super) struct Relay {
    pub(super) kind: &'static Kind,
    pub(super) starttls_port: u16,
    pub(super) implicit_port: u16,
    /// The CA that signed its certificate, as PEM.
    pub(super) ca_pem: String,
    pub(super) maildir: PathBuf,
    logs: PathBuf,
    _stdin: ChildStdin,
}

impl Relay {
    /// The one of its kind that all tests share, in `cell`.
    pub(super) fn shared(kind: &'static Kind, cell: &'static OnceLock<Self>) -> &'static Self {
        cell.get_or_init(|| {
            // A port that was free may be taken before the relay has it.
            (0..3)
                .find_map(|_| Self::start(kind).map_err(|error| eprintln!("{error}")).ok())
                .expect("the relay starts: see above, and `scripts/test` for what it needs")
        })
    }

    /// What the relay has logged so far, for a failed test.
    pub(super) fn log(&self) -> String {
        let files = fs::read_dir(&self.logs).into_iter().flatten();
        files
            .filter_map(|file| fs::read_to_string(file.ok()?.path()).ok())
            .collect()
    }

    fn start(kind: &'static Kind) -> Result<Self, String> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/relays");
        // Not below the target directory: relays run as users who may not enter
        // it, and the paths of their sockets must be short.
        let dir = tempfile::Builder::new()
            .prefix(&format!("posthaste-{}-", kind.folder))
            .tempdir()
            .map_err(|error| format!("no temporary directory: {error}"))?;
        let [starttls_port, implicit_port] = free_ports();
        let etc = dir.path().join("etc");
        fs::create_dir(&etc).unwrap();
        for template in fs::read_dir(sources.join(kind.folder).join("etc")).unwrap() {
            let template = template.unwrap();
            let text = fs::read_to_string(template.path())
                .unwrap()
                .replace("@DIR@", dir.path().to_str().unwrap())
                .replace("@STARTTLS@", &starttls_port.to_string())
                .replace("@IMPLICIT@", &implicit_port.to_string());
            fs::write(etc.join(template.file_name()), text).unwrap();
        }
        let ca_pem = write_certificate(&etc);

        // From here on `run.sh` owns the directory, and removes it.
        let dir = dir.keep();
        let log = format!("{}.log", kind.folder);
        let mut child = Command::new("bash")
            .arg(sources.join("run.sh"))
            .arg(kind.folder)
            .arg(&dir)
            .args([USERNAME, PASSWORD])
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join(log))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("bash: {error}"))?;
        let relay = Self {
            kind,
            starttls_port,
            implicit_port,
            ca_pem,
            maildir: dir.join("mail/all"),
            logs: dir.join("log"),
            _stdin: child.stdin.take().unwrap(),
        };
        // Each of them binds all its ports before it serves one.
        relay.wait_for_greeting(&mut child)?;
        Ok(relay)
    }

    #[expect(clippy::disallowed_methods, reason = "nothing runs yet to be held up")]
    fn wait_for_greeting(&self, child: &mut Child) -> Result<(), String> {
        let address = SocketAddr::from(([127, 0, 0, 1], self.starttls_port));
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait().unwrap() {
                return Err(format!("run.sh ended with {status}: {}", self.log()));
            }
            if greeting(address).is_some_and(|line| line.starts_with("220 ")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!(
            "no greeting within {START_LIMIT:?}: {}",
            self.log()
        ))
    }
}

fn greeting(address: SocketAddr) -> Option<String> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    Some(line)
}

/// Below those that the system gives to who asks for any port. Another test's
/// relay could have one of these before ours is up, and its greeting be taken
/// for ours.
const PORTS: Range<u16> = 20_000..32_000;

fn free_ports() -> [u16; 2] {
    // Other runs of the tests are to begin elsewhere.
    let chance = RandomState::new().build_hasher().finish();
    let from = usize::try_from(chance % u64::try_from(PORTS.len()).unwrap()).unwrap();
    let free = PORTS
        .cycle()
        .skip(from)
        .take(PORTS.len())
        .filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    let listeners: Vec<_> = free.take(2).collect();
    [0, 1].map(|it| listeners[it].local_addr().unwrap().port())
}

/// Writes the relay's key and chain, and returns the CA that signed it.
fn write_certificate(etc: &Path) -> String {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.distinguished_name.push(DnType::CommonName, "test CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();

    let key = KeyPair::generate().unwrap();
    let names = ["localhost", "127.0.0.1"].map(String::from);
    let leaf = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &Issuer::new(ca, ca_key))
        .unwrap();
    fs::write(etc.join("key.pem"), key.serialize_pem()).unwrap();
    fs::write(etc.join("chain.pem"), leaf.pem()).unwrap();
    ca_pem
}
