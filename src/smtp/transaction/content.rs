//! The message of a transaction by DATA, when the relay has accepted recipients
//! for it.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Standing, Way};
use crate::{
    report::{Reply, Stage},
    smtp::{
        Body, Progress, Session,
        command::Commands,
        data::{Pieces, Stuffed},
        error::{Halt, Kind},
        opening::refused,
        step::Step,
    },
};

impl<IO: AsyncRead + AsyncWrite + Unpin> Session<IO> {
    /// Sends the message, and hears whether the relay takes it.
    pub(super) async fn hand_over(
        &mut self,
        body: &Body,
        progress: &Progress,
        standing: &mut Standing,
    ) -> Result<Reply, Halt> {
        let step = Step::enter(progress, Stage::Data, self.limits.data);
        self.ask_for_data(&step, standing).await?;
        standing.is_over = true;
        self.write(Stuffed::new(body), 0, &step, progress).await?;

        let step = Step::enter(progress, Stage::EndOfData, self.limits.end_of_data);
        let reply = self.connection.reply(&step).await?;
        standing.is_over = false;
        standing.is_open = false;
        if reply.code.is_positive() {
            Ok(reply)
        } else {
            Err(refused(&step, reply))
        }
    }

    async fn ask_for_data(&mut self, step: &Step<'_>, standing: &mut Standing) -> Result<(), Halt> {
        let was_said = standing.way == Way::DataAtOnce;
        if !was_said {
            self.say(&Commands::data(), step, standing).await?;
        }
        let reply = self.hear(step, standing).await?;
        // After any other reply, even a 3yz one, the lines of the message might
        // be read as commands.
        if asks_for_message(&reply) {
            return Ok(());
        }
        let halt = refused(step, reply);
        if was_said && matches!(halt.kind, Kind::Refused { .. }) {
            self.end_group(step).await?;
        }
        Err(halt)
    }

    /// Writes the message, and `behind` octets that follow it. The caller may
    /// give it up until the last octets are about to be written.
    pub(super) async fn write(
        &mut self,
        mut pieces: impl Pieces,
        behind: usize,
        step: &Step<'_>,
        progress: &Progress,
    ) -> Result<(), Halt> {
        self.has_begun_message = true;
        loop {
            let (octets, is_last) = pieces.next();
            // Nothing is due now: a relay that speaks has had enough.
            if self.connection.is_interrupted() {
                return Err(self.interruption(step).await);
            }
            let mut step = *step;
            if is_last {
                if !progress.commit() {
                    return Err(step.halt(Kind::Abandoned));
                }
                step = Step::enter(progress, Stage::EndOfData, self.limits.data);
            }
            let behind = if is_last { behind } else { 0 };
            if !self.connection.send_data(octets, behind, &step).await? {
                return Err(self.interruption(&step).await);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Why the relay said something when nothing was due.
    pub(in crate::smtp) async fn interruption(&mut self, step: &Step<'_>) -> Halt {
        match self.connection.reply(step).await {
            // It cannot have taken what was not sent.
            Ok(reply) if reply.code.is_positive() => step.halt(Kind::Unexpected(reply)),
            Ok(reply) => refused(step, reply),
            Err(halt) => halt,
        }
    }
}

/// Whether the relay waits for the message from here on. Only 354 says so
/// (RFC 5321 section 4.3.2). Behind another 3yz a relay may still read
/// commands, and take lines of the message for some.
pub(super) fn asks_for_message(reply: &Reply) -> bool {
    reply.code.value() == 354
}
