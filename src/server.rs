//! Puts the parts together, accepts connections, and drains them at the end.
//! The accept loop is ours, and not tonic's, since what a connection may do
//! and how long it may live is decided here.

mod preface;

use std::{io, pin::pin, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use tracing::{debug, info, warn};

use crate::{
    api,
    config::Config,
    relay::{BadRelay, Directory},
    sender::{Keep, Sender},
};
use preface::Prefaced;

/// Why the server stopped, or did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A relay's settings cannot be followed.
    #[error("the configuration cannot be followed")]
    Relay(#[from] BadRelay),
}

/// How often a silent connection is asked whether it is alive, and how long
/// it may take to say so.
const KEEPALIVE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_secs(20));

/// Header fields of one call, in octets.
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// Calls at a time on one connection.
const MAX_STREAMS: u32 = 1024;

/// What one call may have on its way to us unread, in octets, and all calls of
/// one connection. A stream of mails that waits for its relay fills the first:
/// were the second no larger, it would stop every call beside it. hyper's
/// adaptive windows are always the same, and so of no use here.
const WINDOWS: (u32, u32) = (1 << 20, 16 << 20);

/// How long callers have to take their answers when the time to drain is over.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// How long to wait after a failed accept, such as one for want of file
/// descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` completes; then finishes the calls under way, for
/// as long as the configuration allows, and returns.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let _watching = AbortOnDropHandle::new(tokio::spawn(config.secrets.watch()));
    let keep = Keep {
        time: config.idempotency.keep,
        entries: config.idempotency.max_entries,
    };
    let sender = Sender::new(
        Directory::new(config.relay)?,
        keep,
        config.server.max_under_way,
    );
    let (routes, health) = api::routes(
        sender.clone(),
        &api::Options {
            max_request_bytes: config.server.max_request_bytes,
            max_streams: config.server.max_streams,
            max_stream_mails: config.server.max_stream_mails,
            default_deadline: config.server.default_deadline,
            reflection: config.server.reflection,
        },
    )
    .await;

    let connections = Connections::new(routes, config.server.max_connections);
    tokio::select! {
        () = connections.accept(listener) => {}
        () = shutdown => {}
    }
    info!("stopping: no new calls");
    health.stopping().await;
    sender.close_streams();
    let mut drained = pin!(async {
        connections.drained().await;
        sender.drained().await;
    });
    if timeout(config.server.drain, &mut drained).await.is_err() {
        warn!("stopping with mails still under way");
        // A connection that just ends would look like one that can be retried.
        sender.cut_short();
        drop(timeout(LAST_ANSWERS, drained).await);
    }
    sender.disconnect().await;
    Ok(())
}

/// The connections of callers.
struct Connections {
    routes: api::Routes,
    http: auto::Builder<TokioExecutor>,
    graceful: GracefulShutdown,
    room: Arc<Semaphore>,
}

impl Connections {
    fn new(routes: api::Routes, max_connections: usize) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEPALIVE.0)
            .keep_alive_timeout(KEEPALIVE.1)
            .max_header_list_size(MAX_HEADER_BYTES)
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1);
        Self {
            routes,
            http,
            graceful: GracefulShutdown::new(),
            room: Arc::new(Semaphore::new(max_connections)),
        }
    }

    async fn accept(&self, listener: TcpListener) {
        loop {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&self.room).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => self.serve(stream, permit),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    warn!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, permit: OwnedSemaphorePermit) {
        // Only small writes are slower without it.
        drop(stream.set_nodelay(true));
        let service = TowerToHyperService::new(self.routes.clone());
        let connection = self
            .http
            .serve_connection_with_upgrades(TokioIo::new(Prefaced::new(stream)), service)
            .into_owned();
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(error = %error, "a caller's connection broke");
            }
            drop(permit);
        });
    }

    /// Says GOAWAY on every connection and waits until the last has ended.
    async fn drained(self) {
        self.graceful.shutdown().await;
    }
}

/// The peer was gone before it was accepted: nothing to wait for.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}
