//! An inquiry into one failed handshake: what was tried, and what came of it.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Experiment, Ours, Trial, Verdict,
    answer::{Answer, UNEXPLAINED, ask},
    plan, wide,
};
use crate::{
    report::{AlertDirection, Reason, TlsAlert, TlsMode, TlsOffer, TlsProbe, TlsSession},
    tls::{Connector, HandshakeError, alert},
};

/// How many handshakes one inquiry tries.
const TRIALS: usize = 5;
/// Far more than whoever calls allows for one handshake.
const LIMIT: Duration = Duration::from_secs(30);

/// Finds out why a handshake failed, handshake by handshake.
#[derive(Debug)]
pub struct Inquiry {
    connector: Connector,
    case: Case,
}

/// All that is known.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) ours: Ours,
    pub(super) offer: TlsOffer,
    pub(super) symptom: Symptom,
    pub(super) tried: Vec<Tried>,
}

/// What the handshake failed with.
#[derive(Clone, Debug)]
pub(super) struct Symptom {
    pub(super) reason: Reason,
    pub(super) alternatives: Vec<Reason>,
    pub(super) summary: String,
    /// The alert that the relay refused with.
    pub(super) alert: Option<u8>,
    /// Whether it took its time, and said nothing.
    pub(super) is_silence: bool,
}

/// A handshake that was tried.
#[derive(Debug)]
pub(super) struct Tried {
    experiment: Experiment,
    mode: TlsMode,
    port: u16,
    answer: Answer,
}

impl Connector {
    /// How to find out more about `error`. `None` where nothing is to be told
    /// apart: only a refusal that does not say why, or no answer at all, is
    /// worth the relay's trouble.
    pub fn inquire(&self, error: &HandshakeError) -> Option<Inquiry> {
        let evidence = &*error.evidence;
        let code = evidence
            .alert
            .as_ref()
            .filter(|it| it.direction == AlertDirection::Received);
        let code = code.map(|it| it.code);
        let is_open = !error.was_settled && evidence.offered.hello_bytes > 0;
        let is_unexplained = match error.reason {
            Reason::HandshakeRefused | Reason::NoCommonVersion | Reason::NoCommonCipher => {
                code.is_some_and(|it| UNEXPLAINED.contains(&it))
            }
            Reason::ConnectionClosed
            | Reason::ConnectionReset
            | Reason::HandshakeClosed
            | Reason::HandshakeReset
            | Reason::HandshakeTimeout => {
                code.is_none() && evidence.negotiated.is_none() && evidence.first_bytes.is_empty()
            }
            _ => false,
        };
        if !is_open || !is_unexplained {
            return None;
        }
        Some(Inquiry {
            connector: self.clone(),
            case: Case {
                ours: self.ours(),
                offer: evidence.offered.clone(),
                symptom: Symptom {
                    reason: error.reason,
                    alternatives: error.alternatives.clone(),
                    summary: error.summary.clone(),
                    alert: code,
                    is_silence: error.reason == Reason::HandshakeTimeout,
                },
                tried: Vec::new(),
            },
        })
    }
}

impl Inquiry {
    /// What to try next. `None` when enough is known, or nothing more can be.
    pub fn next(&self) -> Option<Trial> {
        let tried = &self.case.tried;
        // A relay that lets nobody in any more has had enough of us.
        let is_over = tried.iter().any(|it| matches!(it.answer, Answer::Missed));
        if is_over || tried.len() >= TRIALS {
            return None;
        }
        let experiment = plan::think(&self.case).next?;
        Some(Trial {
            name: experiment.name(),
            experiment,
        })
    }

    /// Tries it on a connection on which TLS begins now, and takes note of
    /// what comes. Whoever calls bounds the time, and drops the future when it
    /// is up: what the trial had heard by then is told, and else silence.
    pub async fn attempt<IO>(&mut self, trial: &Trial, io: IO, mode: TlsMode, port: u16)
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let experiment = trial.experiment;
        let answer = self.case.begin(experiment, mode, port);
        let Experiment::Whole(_, deviation) = experiment else {
            let ours = &self.case.ours;
            let hello = experiment.hello(ours).record(&ours.random);
            ask(io, &hello, &mut self.case.tried[answer].answer).await;
            return;
        };
        let Ok(connector) = self.connector.deviating(deviation) else {
            self.case.tried[answer].answer = Answer::Missed;
            return;
        };
        self.case.tried[answer].answer = match connector.connect(io, mode, LIMIT).await {
            Ok((_, session)) => Answer::Worked {
                session: Some(Box::new(session)),
                certificate: None,
            },
            Err(error) => Answer::of_error(error),
        };
    }

    /// Notes that there was no connection to try it on. Ends the inquiry.
    pub fn missed(&mut self, trial: &Trial, mode: TlsMode, port: u16) {
        let answer = self.case.begin(trial.experiment, mode, port);
        self.case.tried[answer].answer = Answer::Missed;
    }

    /// What came of each trial, and what they told together. `None` when they
    /// told nothing.
    pub fn conclude(self) -> (Vec<TlsProbe>, Option<Verdict>) {
        let verdict = plan::think(&self.case).verdict;
        let server_name = self.case.ours.server_name.as_deref().unwrap_or_default();
        let probes = self.case.tried.iter().map(|it| it.report(server_name));
        (probes.collect(), verdict)
    }
}

impl Case {
    /// What came of `experiment`, if it was tried.
    pub(super) fn answer(&self, experiment: Experiment) -> Option<&Answer> {
        let mut tried = self.tried.iter();
        let tried = tried.find(|it| it.experiment == experiment)?;
        (!matches!(tried.answer, Answer::Missed)).then_some(&tried.answer)
    }

    /// Whether the relay refused as it did at first. One that sent an alert and
    /// now hangs up without a word may just have had enough of us.
    pub(super) fn is_refusal(&self, answer: &Answer) -> bool {
        answer.alert().is_some() || answer.is_mute() && self.symptom.alert.is_none()
    }

    /// Until something is heard, there is silence.
    fn begin(&mut self, experiment: Experiment, mode: TlsMode, port: u16) -> usize {
        self.tried.push(Tried {
            experiment,
            mode,
            port,
            answer: Answer::Silence,
        });
        self.tried.len() - 1
    }
}

impl Tried {
    fn report(&self, server_name: &str) -> TlsProbe {
        let (succeeded, session, reason) = match &self.answer {
            Answer::Silence => (false, None, Some(Reason::HandshakeTimeout)),
            Answer::Closed => (false, None, Some(Reason::HandshakeClosed)),
            Answer::Reset => (false, None, Some(Reason::HandshakeReset)),
            Answer::Missed => (false, None, None),
            Answer::Alert(70) => (false, None, Some(Reason::NoCommonVersion)),
            Answer::Alert(71) => (false, None, Some(Reason::NoCommonCipher)),
            Answer::Alert(_) => (false, None, Some(Reason::HandshakeRefused)),
            Answer::Plaintext => (false, None, Some(Reason::NotTls)),
            Answer::Flight(flight) => {
                let session = flight.chosen.map(|chosen| TlsSession {
                    mode: self.mode,
                    version: Some(chosen.version),
                    cipher_suite: Some(wide::suite_name(chosen.suite)),
                    key_exchange_group: flight.group().map(wide::group_name),
                    resumed: false,
                    server_name: server_name.to_owned(),
                    certificate: None,
                });
                (true, session, None)
            }
            Answer::Worked {
                session,
                certificate,
            } => (
                certificate.is_none(),
                session.as_deref().cloned(),
                certificate.as_ref().map(|it| it.reason),
            ),
            Answer::Told(error) => (false, error.evidence.negotiated.clone(), Some(error.reason)),
        };
        TlsProbe {
            name: self.experiment.name().to_owned(),
            mode: self.mode,
            port: self.port,
            succeeded,
            session,
            reason,
            alert: self.answer.alert().map(|code| TlsAlert {
                direction: AlertDirection::Received,
                code,
                name: alert::name(code),
            }),
        }
    }
}
