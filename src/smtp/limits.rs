//! How long each step may take.

use std::time::Duration;

/// How long each step may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeLimits {
    /// Resolving the name.
    pub resolve: Duration,
    /// Connecting to one address.
    pub connect: Duration,
    /// Connecting, over all addresses.
    pub connect_total: Duration,
    /// The greeting.
    pub greeting: Duration,
    /// The reply to EHLO.
    pub ehlo: Duration,
    /// The reply to STARTTLS.
    pub starttls: Duration,
    /// The TLS handshake.
    pub handshake: Duration,
    /// Each reply in AUTH.
    pub auth: Duration,
    /// The reply to MAIL FROM.
    pub mail: Duration,
    /// The reply to each RCPT TO.
    pub rcpt: Duration,
    /// The reply to DATA, and each write of the message.
    pub data: Duration,
    /// The reply to the end of data.
    pub end_of_data: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self {
            resolve: s(5),
            connect: s(10),
            connect_total: s(30),
            greeting: s(30),
            ehlo: s(30),
            starttls: s(30),
            handshake: s(15),
            auth: s(30),
            mail: s(30),
            rcpt: s(30),
            data: s(60),
            end_of_data: s(600),
        }
    }
}
