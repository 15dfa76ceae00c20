//! `posthaste serve`: the service.

use std::{error::Error, io, process::ExitCode};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing::info;

use super::{config::SourceArgs, show};
use crate::{
    config::{self, Config, LogFormat},
    server, telemetry,
};

/// Run the service.
///
/// Settings come from the built-in defaults, the file, the environment
/// (`POSTHASTE__SERVER__LISTEN`) and --set, each over the one before.
/// SIGTERM and SIGINT stop it when the calls under way have ended; a second
/// one stops it at once.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("the configuration is not valid")]
    Config(#[from] config::ConfigError),
    #[error("cannot log")]
    Log(#[from] telemetry::BadFilter),
    #[error("cannot listen on {address} (`server.listen`)")]
    Listen {
        address: std::net::SocketAddr,
        source: io::Error,
    },
    #[error("cannot start")]
    Runtime(#[from] io::Error),
    #[error(transparent)]
    Serve(#[from] server::ServeError),
}

/// Serves until it is told to stop.
pub fn run(args: Args) -> ExitCode {
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            show::complain(&error as &dyn Error);
            ExitCode::FAILURE
        }
    }
}

fn serve(args: Args) -> Result<(), StartError> {
    let config = config::load(&args.source.into_sources())?;
    start_log(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let address = config.server.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| StartError::Listen { address, source })?;
        info!("listening on {}", listener.local_addr()?);
        server::run(config, listener, told_to_stop()?).await?;
        info!("stopped");
        Ok(())
    })
}

fn start_log(config: &Config) -> Result<(), telemetry::BadFilter> {
    let format = match config.log.format {
        LogFormat::Auto => telemetry::Format::of_stderr(),
        LogFormat::Json => telemetry::Format::Json,
        LogFormat::Text => telemetry::Format::Text,
    };
    telemetry::start(&config.log.level, format)
}

/// Completes at the first SIGTERM or SIGINT; the second ends the process.
pub(super) fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            #[expect(clippy::disallowed_methods, reason = "asked twice, it stops at once")]
            std::process::exit(1);
        });
    })
}
