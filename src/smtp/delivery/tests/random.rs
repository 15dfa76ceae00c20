//! Whatever the relay says.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tokio::runtime;

use super::*;
use crate::smtp::fixture::{saying, sayings};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_the_relay_says_each_fate_is_told_once_and_true(
        on_mail in sayings(&["450 4.7.1 slowly", "550 5.7.1 no", "421 4.3.2 bye", "!"], 12, 24),
        on_rcpt in sayings(&[TOO_MANY, TOO_MANY, "452 x", "552 x", "450 4.2.1 x", "550 5.1.1 x"], 1, 24),
        on_data in sayings(&["451 4.3.0 later", "554 5.5.1 no", "!"], 8, 24),
        on_end in sayings(&["451 4.3.0 later", "554 5.6.0 no", "421 4.3.2 bye", "!", "+"], 5, 24),
        on_rset in sayings(&["500 5.5.1 what", "421 4.3.2 bye", "!"], 12, 24),
        recipients in 1_usize..9,
        max_recipients in 0_usize..6,
        relays_own in 1_usize..9,
        to_all in any::<bool>(),
        offer in 0_usize..3,
        transactions in prop::sample::select(&[Transactions::Standard, Transactions::Eager][..]),
    ) {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut script = saying(Script::new(), At::AnyMail, &on_mail);
            script = saying(script, At::AnyRcpt, &on_rcpt);
            script = saying(script, At::Data, &on_data);
            script = saying(script, At::EndOfData, &on_end);
            script = saying(script, At::Rset, &on_rset);
            let relay = relays()[offer].clone().most_recipients(relays_own);
            let relay = start(relay, script).await;
            let mut session = session_as(&relay, Some(max_recipients), transactions).await;
            let policy = if to_all { RecipientPolicy::All } else { RecipientPolicy::Any };
            let (told, failure) = match send(&mut session, recipients, policy).await {
                Ok(sent) => (sent.recipients, None),
                Err(mut failure) => (std::mem::take(&mut failure.recipients), Some(failure)),
            };

            let mails = taken(&relay);
            let has: BTreeSet<_> = mails.concat().into_iter().collect();
            assert_eq!(has.len(), mails.concat().len(), "somebody got it twice: {mails:?}");
            let addresses: Vec<_> = told.iter().map(|r| r.address.as_str()).collect();
            assert_eq!(addresses, (0..recipients).map(name).collect::<Vec<_>>());
            for (n, recipient) in told.iter().enumerate() {
                match recipient.state {
                    Unknown => {}
                    state => assert_eq!(has.contains(&n), state == Accepted, "{n}: {told:?}"),
                }
                // Only what was never asked for may lack the reply that decided.
                let is_decided = matches!(recipient.state, Accepted | Deferred | Rejected);
                assert!(!is_decided || recipient.reply.is_some(), "{n}: {told:?}");
            }
            let is_unknown = states(&told).contains(&Unknown);
            match &failure {
                None => assert!(states(&told).contains(&Accepted)),
                Some(failure) => {
                    assert!(!states(&told).contains(&Accepted), "{told:?}");
                    assert_eq!(failure.reason == Reason::OutcomeUnknown, is_unknown);
                }
            }
            let rehearsals = if to_all { recipients + 1 } else { 0 };
            assert!(verbs(&relay, "MAIL") <= recipients + rehearsals);
            for mail in mails {
                assert!(mail.is_sorted() && (max_recipients == 0 || mail.len() <= max_recipients));
            }
        });
    }
}
