//! The options of `posthaste check`.

use std::{path::PathBuf, str::FromStr, time::Duration};

use crate::{cli::tls_mode::TlsMode, smtp::Host};

/// The submission port (RFC 6409 section 3.1).
const DEFAULT_PORT: u16 = 587;

const LONGEST: Duration = Duration::from_hours(1);

const EXAMPLES: &str = "\
Examples:
  Does it take mail, as posthaste would send it?
    posthaste check smtp.example.com
  Implicit TLS, since the port is 465:
    posthaste check smtp.example.com:465
  A relay of your configuration, with its credentials:
    posthaste check --config posthaste.toml --relay primary --auth
  It fails. What would work instead?
    posthaste check smtp.example.com:25 --probe
  A relay with a private certification authority, by its address:
    posthaste check [2001:db8::25]:587 --ca ca.pem --server-name mail.internal
  For a script or a monitor:
    posthaste check smtp.example.com --json | jq -r '.findings[0].reason'

What the report tells:
  Steps       what was said and how long it took, up to where it stopped
  Findings    what is wrong, the worst first, and what to do about it: each
              reason has a page in docs/failures
  Warnings    what works today and may not tomorrow
  Ports       with --probe: what each submission port of the host speaks
  Accepted    with --deep: what the relay takes, against what posthaste offers";

/// Look at a relay: whether it takes mail, and if not, why.
///
/// Walks through a session as a mail would (name, connection, greeting, EHLO,
/// STARTTLS, handshake, and AUTH where it is asked for) and says where and why
/// it stops. It never sends a mail, and credentials only with --auth. It needs
/// no running service.
///
/// Exit status: 0, the relay takes mail; 1, it does not; 2, the check could not
/// be made as it was asked for.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// The relay. Port 587 where none is given; an IPv6 address with a port
    /// stands in brackets.
    #[arg(value_name = "HOST[:PORT]", required_unless_present = "relay")]
    pub(super) place: Option<Place>,

    /// A relay of the configuration, in place of a host.
    #[arg(long, value_name = "NAME", conflicts_with = "place")]
    pub(super) relay: Option<String>,
    /// The configuration file; the one that POSTHASTE_CONFIG names when this is
    /// not given. Its [tls] section holds for a HOST too.
    #[arg(long, value_name = "PATH")]
    pub(super) config: Option<PathBuf>,

    /// When TLS starts. By the port where this is not given: 465 is implicit,
    /// every other one STARTTLS.
    #[arg(long, value_enum)]
    pub(super) tls_mode: Option<TlsMode>,
    /// A file with further trust anchors, as PEM.
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// The name that the certificate must carry, when it is not the host.
    #[arg(long, value_name = "NAME")]
    pub(super) server_name: Option<String>,
    /// The name to say in EHLO.
    #[arg(long, value_name = "NAME")]
    pub(super) ehlo_name: Option<String>,
    /// How long all of it may take, such as `30s`; an hour at most.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "60s")]
    pub(super) timeout: Duration,

    /// Find out what would work instead: the other TLS mode, the other ports
    /// (25, 465, 587, 2525), older and smaller hellos. A few more connections.
    #[arg(long)]
    pub(super) probe: bool,
    /// Find out all that the relay accepts: every version, suite and group.
    /// Some dozens of connections.
    #[arg(long)]
    pub(super) deep: bool,

    /// Go on to AUTH.
    #[arg(long)]
    pub(super) auth: bool,
    /// The user name for --auth.
    #[arg(long, value_name = "NAME", requires_all = ["auth", "password_file"])]
    pub(super) username: Option<String>,
    /// A file with the password for --auth.
    #[arg(long, value_name = "FILE", requires_all = ["auth", "username"])]
    pub(super) password_file: Option<PathBuf>,

    /// Print a CheckRelayResponse as JSON, in place of the report.
    #[arg(long)]
    pub(super) json: bool,
    /// Write the report as a page too: one file that needs no other, to attach
    /// to a ticket.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// No colours; on standard output that is no terminal there are none.
    #[arg(
        long,
        env = "NO_COLOR",
        value_name = "ANY",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1",
        hide_env_values = true
    )]
    pub(super) no_color: Option<String>,
}

impl Args {
    /// Whether a terminal may be painted on: <https://no-color.org>.
    pub(super) fn wants_colour(&self) -> bool {
        self.no_color.as_deref().is_none_or(str::is_empty)
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time.is_zero() || time > LONGEST {
        return Err("must be more than nothing, and an hour at most".into());
    }
    Ok(time)
}

/// Where a relay is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) host: Host,
    pub(super) port: u16,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = |text: &str| {
            text.parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| format!("`{text}` is not a port from 1 to 65535"))
        };
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = match (bracketed, text.rsplit_once(':')) {
            (Some((host, "")), _) => (host, DEFAULT_PORT),
            (Some((host, rest)), _) => match rest.strip_prefix(':') {
                Some(rest) => (host, port(rest)?),
                None => return Err("must be HOST or HOST:PORT".into()),
            },
            (None, Some((host, rest))) if !host.contains(':') => (host, port(rest)?),
            (None, _) => (text, DEFAULT_PORT),
        };
        let host: Host = host
            .parse()
            .map_err(|_| format!("`{host}` is neither a host name nor an IP address"))?;
        if bracketed.is_some() && matches!(host, Host::Name(_)) {
            return Err("only an IP address stands in brackets".into());
        }
        Ok(Self { host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Result<(String, u16), String> {
        text.parse()
            .map(|place: Place| (place.host.to_string(), place.port))
    }

    #[test]
    fn a_place_has_a_port_or_587() {
        for (text, host, port) in [
            ("mail.example.com", "mail.example.com", 587),
            ("Mail.Example.com:465", "mail.example.com", 465),
            ("192.0.2.1:25", "192.0.2.1", 25),
            ("[2001:db8::1]:25", "2001:db8::1", 25),
            ("[2001:db8::1]", "2001:db8::1", 587),
            ("2001:db8::1", "2001:db8::1", 587),
        ] {
            assert_eq!(place(text), Ok((host.to_owned(), port)), "{text}");
        }
    }

    #[test]
    fn a_time_is_more_than_nothing_and_an_hour_at_most() {
        assert_eq!(time("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(time("1h"), Ok(LONGEST));
        for text in ["0s", "61m", "soon"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused_with_a_reason() {
        for (text, why) in [
            ("mail.example.com:smtp", "not a port"),
            ("mail.example.com:0", "not a port"),
            ("mail.example.com:65536", "not a port"),
            ("mail.example.com:", "not a port"),
            ("", "neither"),
            ("a b", "neither"),
            ("https://mail.example.com", "not a port"),
            ("[mail.example.com]:25", "brackets"),
            ("[::1]25", "HOST:PORT"),
        ] {
            let told = place(text).unwrap_err();
            assert!(told.contains(why), "{text:?}: {told}");
        }
    }
}
