//! What is left to do behind a transaction, so that another mail may follow.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Standing, TIDY_UP_LIMIT, Way, content::asks_for_message, fate};
use crate::{
    report::{Reply, ReplyCode, Stage},
    smtp::{
        Progress, Session,
        command::Commands,
        error::{Halt, Kind},
        opening::refused,
        step::Step,
    },
};

impl<IO: AsyncRead + AsyncWrite + Unpin> Session<IO> {
    /// Whether the last transaction left something for [`Session::settle`].
    pub fn is_unsettled(&self) -> bool {
        self.unsettled.is_some() || self.curiosity.is_some()
    }

    /// Leaves a session whose last transaction was refused in order, and finds
    /// out what further ones depend on, within a bounded time.
    /// [`Session::is_reusable`] tells whether that went well.
    pub async fn settle(&mut self) {
        self.put_in_order().await;
        if let Some(curiosity) = self.curiosity.take()
            && self.is_reusable()
        {
            self.discover(curiosity).await;
        }
    }

    /// Leaves a session whose last transaction was refused in order. What the
    /// relay did instead, if it did not go well for its sake, then or before.
    pub(in crate::smtp) async fn put_in_order(&mut self) -> Option<Halt> {
        let Some(standing) = self.unsettled.take() else {
            return self.parted();
        };
        let outcome = self.tidy_up(standing).await;
        self.is_usable = matches!(outcome, Ok(true));
        outcome.err().or_else(|| self.parted())
    }

    fn parted(&mut self) -> Option<Halt> {
        let kind = self.parting.take()?;
        Some(Halt::new(Stage::MailFrom, kind))
    }

    /// Hears the replies that are due, and ends what is open. Whether the
    /// session is in order then.
    async fn tidy_up(&mut self, standing: Standing) -> Result<bool, Halt> {
        if standing.is_over {
            return Ok(false);
        }
        let nobody = Progress::default();
        let limit = self.limits.mail.min(TIDY_UP_LIMIT);
        let step = Step::enter(&nobody, Stage::Quit, limit);
        let tidy = async {
            let mut replies = Vec::new();
            for _ in 0..standing.due {
                replies.push(self.connection.reply(&step).await?);
            }
            let closing = |reply: &&Reply| reply.code == ReplyCode::CLOSING;
            if let Some(reply) = replies.iter().find(closing) {
                return Err(refused(&step, reply.clone()));
            }
            let to_data = replies.last().filter(|_| standing.way == Way::DataAtOnce);
            match to_data {
                Some(reply) if asks_for_message(reply) => {
                    // What has a recipient must not be ended (RFC 2920 section
                    // 3.1), even if the relay had refused the sender.
                    if replies.iter().any(|reply| reply.code.is_positive()) {
                        return Ok(false);
                    }
                    match self.connection.ask(&Commands::lone_dot(), &step).await? {
                        reply if reply.code == ReplyCode::CLOSING => Err(refused(&step, reply)),
                        reply if fate::state(&reply).is_some() => Ok(true),
                        reply => Err(step.halt(Kind::Unexpected(reply))),
                    }
                }
                // Whether it waits for the message now cannot be known.
                Some(reply) if reply.code.is_positive() || reply.code.is_intermediate() => {
                    Ok(false)
                }
                _ if standing.is_open => self.reset(&step).await.map(|()| true),
                _ => Ok(true),
            }
        };
        step.wait(tidy).await.flatten()
    }

    pub(super) async fn reset(&mut self, step: &Step<'_>) -> Result<(), Halt> {
        let reply = self.connection.ask(&Commands::rset(), step).await?;
        match reply.code {
            code if code.is_positive() => Ok(()),
            ReplyCode::CLOSING => Err(refused(step, reply)),
            // RFC 5321 section 4.1.1.5: there is nothing to refuse.
            _ => Err(step.halt(Kind::Unexpected(reply))),
        }
    }
}
