//! A relay that does not greet: is it slow, or does it wait for TLS? A TLS
//! hello on a second connection tells, while the first goes on waiting. One is
//! enough for all that wait for the same relay.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

use super::{Answers, name, unarmed};
use crate::{
    report::{TlsEvidence, TlsMode, TlsProbe},
    smtp::{Host, Target, connect::dial},
    tls,
};

/// How long a relay may be silent before it is asked.
const PATIENCE: Duration = Duration::from_millis(2500);
/// How long connecting and the handshake may take.
const LIMIT: Duration = Duration::from_secs(5);
/// How long our farewell may take.
const FAREWELL: Duration = Duration::from_millis(100);

/// What relays that did not greet answered to a TLS hello. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Hellos(Arc<Answers<Subject, Answered>>);

/// One port of one relay under one TLS policy.
#[derive(PartialEq)]
struct Subject {
    host: Host,
    port: u16,
    mode: TlsMode,
    tls: tls::Connector,
}

impl Hellos {
    /// Says nothing to any relay any more, and ends what is under way.
    pub async fn stop(&self) {
        self.0.stop().await;
    }

    /// What `target`, reached at `ip`, answers, which may have been said to
    /// another session. `None` where nobody asks it.
    pub(in crate::smtp) async fn answer(&self, target: &Target, ip: IpAddr) -> Option<Answered> {
        let subject = Subject {
            host: target.host.clone(),
            port: target.port,
            mode: target.mode,
            tls: target.tls.clone(),
        };
        self.0.get(subject, || ask(target, ip)).await
    }
}

/// What became of the hello.
#[derive(Clone)]
pub(in crate::smtp) enum Answered {
    /// The relay speaks TLS.
    Tls(Arc<Hello>),
    /// It does not, or did not in time.
    Otherwise,
}

/// A relay that answered a TLS hello where plaintext should begin.
pub(in crate::smtp) struct Hello {
    /// What is told of it: the hello is the one probe.
    pub(in crate::smtp) evidence: Box<TlsEvidence>,
    /// Why the handshake was not completed, in one sentence.
    pub(in crate::smtp) trouble: Option<String>,
}

impl Hello {
    /// What the handshake settled, for a sentence.
    pub(in crate::smtp) fn settled(&self) -> Option<String> {
        let probe = self.evidence.probes.first()?;
        probe.session.as_ref().map(ToString::to_string)
    }
}

/// When to ask a relay that has `limit` for its greeting: early enough for an
/// answer within it.
pub(in crate::smtp) fn due(limit: Duration) -> Duration {
    PATIENCE.min(limit / 2)
}

/// Asks the relay at `ip`. Neither SMTP nor anything secret is sent.
fn ask(target: &Target, ip: IpAddr) -> impl Future<Output = Answered> + Send + use<> {
    let limit = LIMIT.min(target.limits.greeting / 4);
    let target = unarmed(target);
    async move {
        let asked = timeout(limit, async {
            let io = dial(ip, target.port).await.ok()?;
            shake_hands(&target, io).await
        });
        match asked.await {
            Ok(Some(hello)) => Answered::Tls(Arc::new(hello)),
            Ok(None) | Err(_) => Answered::Otherwise,
        }
    }
}

/// `None` when what comes is not TLS.
async fn shake_hands<IO: AsyncRead + AsyncWrite + Unpin>(target: &Target, io: IO) -> Option<Hello> {
    let mode = TlsMode::Implicit;
    let mut evidence = target.tls.evidence(target.mode);
    let mut probe = TlsProbe {
        name: name(target.port, mode),
        mode,
        port: target.port,
        succeeded: false,
        session: None,
        reason: None,
        alert: None,
    };
    let trouble = match target.tls.connect(io, mode, LIMIT).await {
        Ok((mut stream, session)) => {
            probe.succeeded = true;
            probe.session = Some(session);
            // Leaves in good order. Nothing depends on it.
            let _ = timeout(FAREWELL, stream.shutdown()).await;
            None
        }
        Err(error) if error.heard_tls => {
            probe.session = error.evidence.negotiated;
            probe.reason = Some(error.reason);
            probe.alert = error.evidence.alert;
            evidence.certificates = error.evidence.certificates;
            Some(error.summary)
        }
        Err(_) => return None,
    };
    evidence.probes.push(probe);
    Some(Hello {
        evidence: Box::new(evidence),
        trouble,
    })
}
