//! Mails through real relays, read back from their Maildirs: the same cases for
//! each of them.

mod eager;
mod facts;
mod fixture;
mod kind;
mod maildir;
mod mails;
mod odd;
mod refusals;
mod service;
mod wire;

macro_rules! cases {
    ($($group:ident: $($case:ident)+;)+) => {
        cases!(@relay postfix, POSTFIX, $($($group::$case)+)+);
        cases!(@relay exim, EXIM, $($($group::$case)+)+);
        cases!(@relay opensmtpd, OPENSMTPD, $($($group::$case)+)+);
    };
    (@relay $name:ident, $kind:ident, $($group:ident::$case:ident)+) => {
        mod $name {
            use std::sync::OnceLock;

            use super::{fixture::Relay, kind::$kind};

            fn relay() -> &'static Relay {
                static RELAY: OnceLock<Relay> = OnceLock::new();
                Relay::shared(&$kind, &RELAY)
            }

            $(
                #[tokio::test]
                async fn $case() {
                    super::$group::$case(relay()).await;
                }
            )+
        }
    };
}

cases! {
    mails:
        arrives_whole_over_starttls
        arrives_whole_over_implicit_tls
        addresses_that_are_not_ascii_over_starttls
        addresses_that_are_not_ascii_over_implicit_tls
        raw_mail_arrives_octet_by_octet
        mails_sent_at_the_same_time_do_not_mix
        a_mail_to_many_arrives_for_each
        a_mail_from_nobody_arrives
        each_mechanism_that_is_offered_logs_in
        the_largest_mail_arrives;
    odd:
        odd_mails_arrive_unchanged;
    refusals:
        one_refused_recipient_does_not_hurt_the_others
        all_or_nobody
        each_refusal_has_its_reason
        a_message_beyond_the_size_is_not_sent
        a_message_is_refused_after_its_data
        a_wrong_password_is_the_operators_and_shows_no_secret
        no_password_where_one_is_needed
        a_certificate_of_an_unknown_ca_is_refused
        implicit_tls_at_the_port_for_starttls;
    eager:
        chunks_for_nobody
        a_connection_carries_many_mails
        eager_mails_arrive_and_refused_ones_do_not
        that_it_discards_them_is_found_out;
    facts:
        the_offers
        the_size
        data_for_nobody
        pipelining
        injection_behind_starttls
        bare_line_feeds
        the_most_mails
        the_most_recipients
        the_most_errors
        the_most_idle_commands
        the_docs;
}
