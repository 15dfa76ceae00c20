//! Mails through a real Postfix, read back from its Maildir.

mod fixture;
mod maildir;
mod mails;
mod refusals;
mod service;
