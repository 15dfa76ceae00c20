//! `posthaste-faultd serve`: every case on a port of its own.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    net::TcpSocket,
    signal::unix::{SignalKind, signal},
};

use super::{
    case::Case,
    manifest::{Entry, Files, Manifest},
    pki::Pki,
};
use crate::testrelay::{Builder, StartError, TestRelay};

/// Connections at a time on one port, and how long each may last.
const MOST_CONNECTIONS: usize = 64;
const SESSION_LIMIT: Duration = Duration::from_mins(10);

/// Why the fault relay does not serve.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServeError {
    /// There is no such case.
    #[error("there is no case `{name}`; did you mean `{nearest}`?")]
    UnknownCase {
        /// What was asked for.
        name: String,
        /// What comes nearest to it.
        nearest: String,
    },
    /// A case's relay does not start.
    #[error("cannot serve the case `{case}`")]
    Relay {
        /// Its name.
        case: String,
        /// Why.
        source: StartError,
    },
    /// The port of a case where nothing is to listen cannot be had.
    #[error("cannot keep the port {address} closed")]
    Closed {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There are not so many ports above the first one.
    #[error("the ports from {base} on are too few for the {cases} cases")]
    Ports {
        /// The first port.
        base: u16,
        /// How many there are to be.
        cases: usize,
    },
    /// The manifest cannot be written down.
    #[error("the manifest cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// The system refuses signals or threads.
    #[error("cannot start")]
    Runtime(#[from] io::Error),
}

/// A case, and where it is to be served.
pub(super) struct Place {
    /// The case.
    pub(super) case: Case,
    /// Its port. 0 is any that is free.
    pub(super) port: u16,
}

/// Gives each of `all` a port from `base` on, and keeps those named in
/// `wanted`, or all of them. So a case has the same port whatever is served
/// beside it.
pub(super) fn places(
    all: Vec<Case>,
    base: u16,
    wanted: &[String],
) -> Result<Vec<Place>, ServeError> {
    for name in wanted {
        let distance = |case: &&Case| strsim::damerau_levenshtein(&case.name, name);
        match all.iter().min_by_key(distance) {
            Some(nearest) if nearest.name != *name => {
                return Err(ServeError::UnknownCase {
                    name: name.clone(),
                    nearest: nearest.name.clone(),
                });
            }
            _ => {}
        }
    }
    let cases = all.len();
    let places = all.into_iter().enumerate().map(|(index, case)| {
        let port = match base {
            0 => Some(0),
            base => u16::try_from(index)
                .ok()
                .and_then(|it| base.checked_add(it)),
        };
        let port = port.ok_or(ServeError::Ports { base, cases })?;
        Ok(Place { case, port })
    });
    places
        .filter(|place| {
            place.as_ref().map_or(true, |place| {
                wanted.is_empty() || wanted.contains(&place.case.name)
            })
        })
        .collect()
}

/// What is being served. It stops when this is dropped.
pub(super) struct Serving {
    relays: Vec<TestRelay>,
    closed: Vec<TcpSocket>,
    /// The path of the manifest.
    pub(super) manifest: PathBuf,
    /// How many cases there are.
    pub(super) cases: usize,
}

impl Serving {
    /// Serves `places` at `ip` under the name `host`, and writes what clients
    /// need into `folder`.
    pub(super) async fn start(
        places: &[Place],
        host: &str,
        ip: IpAddr,
        folder: &Path,
    ) -> Result<Self, ServeError> {
        let pki = Pki::new(host, ip);
        let mut serving = Self {
            relays: Vec::new(),
            closed: Vec::new(),
            manifest: folder.join("manifest.json"),
            cases: places.len(),
        };
        let mut entries = Vec::new();
        for place in places {
            let address = SocketAddr::new(ip, place.port);
            let port = match place.case.relay(&pki) {
                Some(builder) => serving.open(&place.case, builder, address).await?,
                None => serving.keep_closed(address)?,
            };
            entries.push(Entry::new(&place.case, Some(port)));
        }
        let files = write_files(&pki, folder)?;
        let pin = Some(pki.pinned.key_pin());
        let manifest = Manifest::new(host, ip, entries, pin, Some(files));
        let json = serde_json::to_string_pretty(&manifest)? + "\n";
        write(&serving.manifest, json.as_bytes())?;
        Ok(serving)
    }

    async fn open(
        &mut self,
        case: &Case,
        builder: Builder,
        address: SocketAddr,
    ) -> Result<u16, ServeError> {
        let relay = builder
            .listen(address)
            .most_connections(MOST_CONNECTIONS)
            .session_limit(SESSION_LIMIT)
            .start()
            .await
            .map_err(|source| ServeError::Relay {
                case: case.name.clone(),
                source,
            })?;
        let port = relay.port();
        self.relays.push(relay);
        Ok(port)
    }

    /// Takes a port and does not listen on it, so that nobody else does.
    fn keep_closed(&mut self, address: SocketAddr) -> Result<u16, ServeError> {
        let bound = || {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4(),
                SocketAddr::V6(_) => TcpSocket::new_v6(),
            }?;
            socket.bind(address)?;
            Ok((socket.local_addr()?.port(), socket))
        };
        let (port, socket) = bound().map_err(|source| ServeError::Closed { address, source })?;
        self.closed.push(socket);
        Ok(port)
    }
}

/// What clients need, with absolute paths.
fn write_files(pki: &Pki, folder: &Path) -> Result<Files, ServeError> {
    let made = std::fs::create_dir_all(folder).and_then(|()| folder.canonicalize());
    let folder = made.map_err(|source| ServeError::Write {
        path: folder.to_owned(),
        source,
    })?;
    let files = Files::within(&folder);
    write(&files.ca, pki.root.pem().as_bytes())?;
    write(&files.crl, pki.crl_pem())?;
    write(&files.client_certificate, pki.client.chain_pem().as_bytes())?;
    write(&files.client_key, pki.client.key_pem().as_bytes())?;
    Ok(files)
}

/// Writes a file whole: who reads it while it changes sees the old or the new.
fn write(path: &Path, bytes: &[u8]) -> Result<(), ServeError> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, bytes)
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|source| ServeError::Write {
            path: path.to_owned(),
            source,
        })
}

/// Completes at SIGTERM or SIGINT.
pub(super) fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
