//! Brings the connections that an inquiry of `tls` asks for.

use std::{net::IpAddr, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{
    report::{Timings, TlsMode, TlsProbe},
    smtp::{Progress, Target, connect::Connected, opening::Opening, session::reach},
    tls::{Inquiry, Verdict},
};

/// How long the relay has for its answer to a hello. Silence tells something
/// as well.
pub(super) const ANSWER: Duration = Duration::from_secs(1);

/// What an inquiry came to.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) probes: Vec<TlsProbe>,
    pub(super) verdict: Option<Verdict>,
    /// So many connections were made, or tried to be.
    pub(super) connections: usize,
}

/// Carries out the inquiry on at most so many connections to `target`, until
/// `end`. A relay that no longer lets us in ends it.
pub(super) async fn carry_out(
    mut inquiry: Inquiry,
    target: &Target,
    most: usize,
    end: Instant,
) -> Outcome {
    let mut connections = 0;
    while connections < most
        && let Some(trial) = inquiry.next()
    {
        connections += 1;
        let Ok(Some((io, _))) = timeout_at(end, bare(target)).await else {
            inquiry.missed(&trial, target.mode, target.port);
            break;
        };
        let answer = inquiry.attempt(&trial, io, target.mode, target.port);
        // Whatever was heard by then, the inquiry knows of.
        let _ = timeout_at(end.min(Instant::now() + ANSWER), answer).await;
    }
    let (probes, verdict) = inquiry.conclude();
    Outcome {
        probes,
        verdict,
        connections,
    }
}

/// A connection on which TLS begins now, and where to.
pub(super) async fn bare(target: &Target) -> Option<(TcpStream, IpAddr)> {
    let progress = Progress::default();
    let reached = reach(target, &progress, &mut Timings::default()).await;
    let Connected { stream, ip, .. } = reached.ok()?;
    if target.mode == TlsMode::Implicit {
        return Some((stream, ip));
    }
    let opening = Opening {
        target,
        progress: &progress,
        ip,
        timings: Timings::default(),
        tls: None,
    };
    let stream = opening.until_tls(stream).await.ok()?;
    Some((stream, ip))
}
