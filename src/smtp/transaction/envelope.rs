//! The envelope of a transaction, before the message: MAIL and RCPT.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Standing, Way, fate};
use crate::{
    mail::RecipientPolicy,
    report::{RecipientResult, Reply, ReplyCode, Stage},
    smtp::{
        Progress, Session,
        command::Commands,
        error::{Halt, Kind},
        opening::refused,
        step::Step,
    },
};

impl<IO: AsyncRead + AsyncWrite + Unpin> Session<IO> {
    /// Sends MAIL, and behind it what may go with it; hears the yes to MAIL.
    pub(super) async fn offer(
        &mut self,
        mail: Commands,
        step: &Step<'_>,
        recipients: &[RecipientResult],
        standing: &mut Standing,
    ) -> Result<Reply, Halt> {
        let mut group = mail;
        if standing.way.is_pipelined() {
            for recipient in recipients {
                group.add_rcpt(&recipient.address);
            }
        }
        if standing.way == Way::DataAtOnce {
            group.add_data();
        }
        self.mails += 1;
        self.say(&group, step, standing).await?;
        let reply = self.hear(step, standing).await?;
        if !reply.code.is_positive() {
            return Err(refused(step, reply));
        }
        standing.is_open = true;
        Ok(reply)
    }

    /// Hears what the relay says to each recipient, and whether the mail can go.
    pub(super) async fn choose_recipients(
        &mut self,
        progress: &Progress,
        policy: RecipientPolicy,
        recipients: &mut [RecipientResult],
        standing: &mut Standing,
    ) -> Result<(), Halt> {
        self.hear_recipients(progress, recipients, standing).await?;
        fate::refusal_of_recipients(recipients, policy).map_or(Ok(()), Err)
    }

    pub(super) async fn hear_recipients(
        &mut self,
        progress: &Progress,
        recipients: &mut [RecipientResult],
        standing: &mut Standing,
    ) -> Result<(), Halt> {
        let step = Step::enter(progress, Stage::RcptTo, self.limits.rcpt);
        for recipient in recipients.iter_mut() {
            if !standing.way.is_pipelined() {
                self.say(&Commands::rcpt(&recipient.address), &step, standing)
                    .await?;
            }
            let reply = self.hear(&step, standing).await?;
            let Some(state) = fate::state(&reply) else {
                return Err(step.halt(Kind::Unexpected(reply)));
            };
            recipient.state = state;
            recipient.reply = Some(reply.clone());
            if reply.code == ReplyCode::CLOSING {
                return Err(refused(&step, reply));
            }
        }
        match standing.way {
            Way::DataLater | Way::Chunk => self.end_group(&step).await,
            _ => Ok(()),
        }
    }

    /// Ends a transaction in which everything had its reply.
    pub(super) async fn take_back(&mut self, progress: &Progress) -> Result<(), Halt> {
        let step = Step::enter(progress, Stage::RcptTo, self.limits.rcpt);
        self.reset(&step).await
    }

    /// The last reply to a group of commands was heard. One too many among them
    /// shows only now, when it is not known which it was, nor which recipient
    /// was refused.
    pub(super) async fn end_group(&mut self, step: &Step<'_>) -> Result<(), Halt> {
        if self.connection.is_out_of_step() {
            return Err(self.connection.unasked(step).await);
        }
        Ok(())
    }

    pub(super) async fn say(
        &mut self,
        commands: &Commands,
        step: &Step<'_>,
        standing: &mut Standing,
    ) -> Result<(), Halt> {
        standing.due += commands.count();
        self.connection.send(commands, step).await
    }

    pub(super) async fn hear(
        &mut self,
        step: &Step<'_>,
        standing: &mut Standing,
    ) -> Result<Reply, Halt> {
        let reply = self.connection.reply(step).await?;
        standing.due -= 1;
        Ok(reply)
    }
}
