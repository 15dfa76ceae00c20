//! Who a message is from and for.

use super::{Path, Violations, list::list};
use crate::{
    api::pb,
    mail::{Address, Mailbox, Rule},
};

/// The most recipients of a mail, by whatever field they are named.
pub(super) const MAX_RECIPIENTS: usize = 1000;

const MAX_REPLY_TO: usize = 50;

/// Who a message is from and for, without those that broke a rule.
#[derive(Debug)]
pub(super) struct People {
    pub(super) from: Option<Mailbox>,
    pub(super) sender: Option<Mailbox>,
    pub(super) reply_to: Vec<Mailbox>,
    pub(super) to: Vec<Mailbox>,
    pub(super) cc: Vec<Mailbox>,
    bcc: Vec<Mailbox>,
    /// Whether a sender was named, good or bad.
    has_sender: bool,
    /// Whether recipients were named, good or bad.
    pub(super) has_recipients: bool,
}

impl People {
    /// Parses the fields of a message that name somebody.
    pub(super) fn new(violations: &mut Violations, path: Path<'_>, message: &pb::Message) -> Self {
        let v = violations;
        let lists = [message.to.len(), message.cc.len(), message.bcc.len()];
        let named: usize = lists.iter().sum();
        if named > MAX_RECIPIENTS && lists.iter().all(|len| *len <= MAX_RECIPIENTS) {
            v.breach(
                path,
                Rule::TooMany,
                format!("must not have more than {MAX_RECIPIENTS} in to, cc and bcc together"),
            );
        }
        let from = v.require(path.field("from_address"), message.from_address.as_ref());
        let from = from.and_then(|from| mailbox(v, path.field("from_address"), from));
        let sender = message.sender.as_ref();
        let sender = sender.and_then(|sender| mailbox(v, path.field("sender"), sender));
        let mut all = |name, addresses, max| list(v, path.field(name), addresses, max, mailbox);
        Self {
            from,
            sender,
            reply_to: all("reply_to", &message.reply_to, MAX_REPLY_TO),
            to: all("to", &message.to, MAX_RECIPIENTS),
            cc: all("cc", &message.cc, MAX_RECIPIENTS),
            bcc: all("bcc", &message.bcc, MAX_RECIPIENTS),
            has_sender: message.sender.is_some(),
            has_recipients: named > 0,
        }
    }

    /// The sender, else the author.
    pub(super) fn reverse_path(&self) -> Option<&Address> {
        let author = if self.has_sender {
            &self.sender
        } else {
            &self.from
        };
        author.as_ref().map(|mailbox| &mailbox.address)
    }

    /// To, cc and bcc, in that order.
    pub(super) fn recipients(&self) -> impl Iterator<Item = &Address> {
        [&self.to, &self.cc, &self.bcc]
            .into_iter()
            .flatten()
            .map(|mailbox| &mailbox.address)
    }
}

fn mailbox(violations: &mut Violations, path: Path<'_>, address: &pb::Address) -> Option<Mailbox> {
    let email = violations.parse(path.field("email"), &address.email);
    let display_name = violations.parse(path.field("display_name"), &address.display_name);
    Some(Mailbox {
        address: email?,
        display_name: display_name?,
    })
}
