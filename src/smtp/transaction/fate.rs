//! What a transaction makes of its recipients.

use crate::{
    mail::RecipientPolicy,
    report::{Reason, RecipientResult, RecipientState, Reply, Stage},
    smtp::error::{Halt, Kind},
};

/// What a reply to RCPT, DATA or the end of data makes of a recipient.
pub(super) fn state(reply: &Reply) -> Option<RecipientState> {
    match reply.code {
        code if code.is_positive() => Some(RecipientState::Accepted),
        code if code.is_transient() => Some(RecipientState::Deferred),
        code if code.is_permanent() => Some(RecipientState::Rejected),
        _ => None,
    }
}

/// Why the mail cannot go, by what became of its recipients.
pub(in crate::smtp) fn refusal_of_recipients(
    recipients: &[RecipientResult],
    policy: RecipientPolicy,
) -> Option<Halt> {
    let in_state = |state| {
        recipients
            .iter()
            .find(move |recipient| recipient.state == state)
    };
    let rejected = in_state(RecipientState::Rejected);
    let deferred = in_state(RecipientState::Deferred);
    let decisive = match policy {
        RecipientPolicy::Any if in_state(RecipientState::Accepted).is_some() => None,
        // Trying again may reach those that are put off.
        RecipientPolicy::Any => deferred.or(rejected),
        // Trying again is of no use while one is refused for good.
        RecipientPolicy::All => rejected.or(deferred),
    };
    let reply = decisive?.reply.clone()?;
    Some(Halt::refused(Stage::RcptTo, reply))
}

/// What a transaction that failed makes of the recipients that were accepted,
/// and of all where it is not known which reply was whose.
pub(in crate::smtp) fn settle(recipients: &mut [RecipientResult], halt: &Halt) {
    let is_unknown = halt.reason() == Reason::OutcomeUnknown;
    let is_out_of_step = !is_unknown && matches!(halt.kind, Kind::Unexpected(_));
    let (fate, reply) = match &halt.kind {
        _ if is_unknown => (RecipientState::Unknown, None),
        Kind::Refused { reply, .. } if matches!(halt.stage, Stage::Data | Stage::EndOfData) => {
            (state(reply).unwrap_or(RecipientState::NotSent), Some(reply))
        }
        _ => (RecipientState::NotSent, None),
    };
    for recipient in recipients {
        let is_open = match recipient.state {
            RecipientState::Accepted => true,
            // The relay may have accepted it since.
            RecipientState::NotSent => is_unknown,
            _ => false,
        };
        if is_out_of_step || is_open {
            recipient.state = fate;
            recipient.reply = reply.cloned();
        }
    }
}
