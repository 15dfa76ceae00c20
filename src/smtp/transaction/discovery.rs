//! Finds out whether a relay discards a chunk that it refuses (RFC 3030 section
//! 2), as an eager transaction relies on. Not while anybody waits for a mail.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{info, warn};

use super::TIDY_UP_LIMIT;
use crate::{
    mail::Address,
    report::{ReplyCode, Stage},
    smtp::{
        Body, Progress, Session, Transactions,
        command::{Commands, MailParameters},
        error::Halt,
        step::Step,
    },
};

/// That it is to be found out, behind a mail that was sent.
#[derive(Debug)]
pub(in crate::smtp) struct Curiosity {
    /// That of the mail, which the relay accepts.
    reverse_path: Option<Address>,
}

/// What the relay has to say: it refuses both chunks, and does what is between
/// and behind them. Had it read one as a command, a refusal would come in the
/// place of the yes that is due behind it.
const SHOWN: [bool; 4] = [false, true, false, true];

/// Taken for a command, it is one that nobody knows.
const CHUNK: &[u8] = b"XDISCARD\r\n";

impl<IO: AsyncRead + AsyncWrite + Unpin> Session<IO> {
    /// What is to be found out behind a mail from `reverse_path`.
    pub(super) fn curiosity(&self, reverse_path: Option<&Address>) -> Option<Curiosity> {
        let target = self.target();
        let wants = target.transactions == Transactions::EagerIfSafe
            && self.extensions.pipelining
            && self.extensions.chunking
            // What more than this MAIL may need is not at hand.
            && reverse_path.is_none_or(|path| path.as_str().is_ascii())
            && target.discards.is_untried(&self.extensions.lines);
        wants.then(|| Curiosity {
            reverse_path: reverse_path.cloned(),
        })
    }

    /// Finds it out, within a bounded time. After anything but a proof the
    /// session is over.
    pub(super) async fn discover(&mut self, curiosity: Curiosity) {
        let offer = &self.extensions.lines;
        let Some(trial) = self.target().discards.try_out(offer) else {
            return;
        };
        self.is_usable = false;
        self.mails += 1;
        let nobody = Progress::default();
        let step = Step::enter(&nobody, Stage::Quit, TIDY_UP_LIMIT);
        let found = step.wait(self.try_out(curiosity, &step)).await.flatten();
        let is_shown = matches!(found, Ok(true));
        self.is_usable = is_shown;
        trial.end(is_shown);
        let relay = &self.facts().endpoint;
        if is_shown {
            info!(
                relay = relay.relay,
                host = relay.host,
                port = relay.port,
                "the relay discards the chunks that it refuses: mails take one round trip from now on"
            );
        } else {
            warn!(
                relay = relay.relay,
                host = relay.host,
                port = relay.port,
                "the relay did not show that it discards the chunks that it refuses: mails take \
                 two round trips"
            );
        }
    }

    /// One chunk without a transaction, as behind a refused MAIL, and one in a
    /// transaction without a recipient.
    async fn try_out(&mut self, curiosity: Curiosity, step: &Step<'_>) -> Result<bool, Halt> {
        let chunk = Body::from(Bytes::from_static(CHUNK));
        let parameters = MailParameters::default();
        let mut group = Commands::default();
        group.add_chunk(&chunk);
        group.append(&Commands::mail(curiosity.reverse_path.as_ref(), parameters));
        group.add_chunk(&chunk);
        group.append(&Commands::rset());
        self.connection.send(&group, step).await?;
        for is_positive in SHOWN {
            let reply = self.connection.reply(step).await?;
            let fits = if is_positive {
                reply.code.is_positive()
            } else {
                reply.code.is_refusal() && reply.code != ReplyCode::CLOSING
            };
            if !fits {
                return Ok(false);
            }
        }
        Ok(!self.connection.is_interrupted())
    }
}
