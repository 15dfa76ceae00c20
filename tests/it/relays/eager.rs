//! Transactions in one write, which rely on what a relay does with a message
//! that it has no recipient for.

use posthaste::api::pb::relay_failure::Reason;

use super::{
    fixture::Relay,
    service::{EAGER, IF_SAFE, STARTTLS, Service, failure, raw_mail},
    wire::Wire,
};

const COMMANDS: &str = "QUIT\r\nRSET\r\n.\r\nNOOP\r\n";

fn takes_chunks(relay: &Relay) -> bool {
    relay.kind.offers("CHUNKING")
}

/// What finds it out: without a transaction, and in one without a recipient.
pub(super) async fn chunks_for_nobody(relay: &Relay) {
    if !takes_chunks(relay) {
        return;
    }
    let mut wire = Wire::authenticated(relay).await;
    let chunk = "BDAT 10 LAST\r\nXDISCARD\r\n";
    wire.write(&format!(
        "{chunk}MAIL FROM:<a@example.com>\r\n{chunk}RSET\r\n"
    ))
    .await;
    let mut replies = Vec::new();
    for _ in 0..4 {
        replies.push(wire.hear().await);
    }
    assert_eq!(replies, relay.kind.chunks_for_nobody);
    assert!(wire.say("NOOP").await.starts_with("250"));
}

pub(super) async fn eager_mails_arrive_and_refused_ones_do_not(relay: &Relay) {
    let service = Service::start(relay).await;
    for number in 0..6 {
        let from = "a@example.com";
        let to = format!("box-eager-{number}@example.com");
        // Lines that would do harm, were they taken for commands.
        let raw = format!("From: a@example.com\r\nSubject: {number}\r\n\r\n{COMMANDS}");
        let refused = raw_mail(raw.clone(), from, &["nobody@example.com"]);
        let status = service.send(EAGER, refused).await.unwrap_err();
        let failure = failure(&status);
        assert_eq!(failure.reason(), Reason::RecipientsRejected);

        let to_two = raw_mail(raw, from, &["nobody@example.com", &to]);
        let sent = service.send(EAGER, to_two).await.unwrap();
        assert_eq!((sent.accepted_count, sent.refused_count), (1, 1));
        let mail = relay.delivered(&to).await;
        let lines = COMMANDS.replace("\r\n", "\n");
        assert!(mail.bytes.ends_with(lines.as_bytes()));
    }
}

/// RSET goes with each, and a relay may count those.
pub(super) async fn a_connection_carries_many_mails(relay: &Relay) {
    let service = Service::start(relay).await;
    for way in [STARTTLS, EAGER] {
        for number in 0..30 {
            let raw = "From: a@example.com\r\n\r\ntext\r\n";
            let mail = raw_mail(raw, "a@example.com", &["box-many@example.com"]);
            let sent = service.send(way, mail).await.unwrap();
            let is_reused = sent.session.is_some_and(|session| session.reused);
            assert_eq!(is_reused, number > 0, "{way} {number}");
        }
    }
}

pub(super) async fn that_it_discards_them_is_found_out(relay: &Relay) {
    let service = Service::start(relay).await;
    for number in 0..3 {
        let to = format!("box-if-safe-{number}@example.com");
        let raw = "From: a@example.com\r\n\r\ntext\r\n";
        let mail = raw_mail(raw, "a@example.com", &[&to]);
        service.send(IF_SAFE, mail).await.unwrap();
        relay.delivered(&to).await;
    }
    let said = service.said();
    let found = said.matches("the relay discards the chunks").count();
    assert_eq!(found, usize::from(takes_chunks(relay)), "{said}");
    assert!(!said.contains("did not show"), "{said}");
}
