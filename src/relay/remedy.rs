//! What to do about a failure, with the setting that would do it.

use std::iter;

use crate::{
    report::{
        Action, Confidence, Party, RelayFailure, RelayOrigin, Remedy, Stage, TlsMode, TlsProbe,
    },
    smtp::{Credentials, Host, Target},
};

/// How many of the ways that turned out to work are told.
const MOST_PROVEN: usize = 2;

/// What to do about `failure`, the likeliest first.
pub fn remedies(failure: &RelayFailure, target: &Target) -> Vec<Remedy> {
    let advisor = Advisor { failure, target };
    let mut remedies = advisor.advise();
    // What is usual is no advice where somebody has looked.
    remedies.retain(|it| !advisor.tried().any(|probe| advisor.outdates(probe, it)));
    remedies.splice(0..0, advisor.proven());
    // Another port is no advice to who uses it already.
    let here = target
        .relay
        .as_ref()
        .map(|name| (format!("relays.{name}.port"), target.port.to_string()));
    remedies.retain(|it| it.setting.is_none() || it.setting != here);
    remedies
}

struct Advisor<'a> {
    failure: &'a RelayFailure,
    target: &'a Target,
}

impl Advisor<'_> {
    #[expect(clippy::too_many_lines, reason = "one total table")]
    fn advise(&self) -> Vec<Remedy> {
        #[allow(clippy::enum_glob_use, reason = "the table names all of them")]
        use crate::report::Reason::*;

        match self.failure.reason {
            DnsNotFound => vec![self.owner(
                Action::CheckHostName,
                format!("Check the spelling of `{}`.", self.target.host),
                "host",
                None,
            )],
            DnsTemporary => vec![later("The name server did not answer. Try again later.")],
            ConnectRefused => vec![self.check_port(), later("The relay may be restarting.")],
            ConnectTimeout | ConnectUnreachable => vec![
                operator(
                    Action::CheckNetwork,
                    format!(
                        "Check that this host may reach {}: firewalls, network policies and \
                         cloud providers often block ports 25 and 465.",
                        self.address()
                    ),
                ),
                self.check_port(),
            ],
            ConnectionClosed | ConnectionReset => vec![
                later(match self.failure.stage {
                    Stage::Ehlo => "The relay hung up when TLS was there. Try again later.",
                    _ => "The relay hung up before it spoke. Try again later.",
                }),
                relay("Check whether the relay blocks this client's address, or has no back end."),
            ],

            PlaintextOnTlsPort => vec![self.use_mode(TlsMode::Starttls), self.use_port(465)],
            TlsOnPlaintextPort => vec![self.use_mode(TlsMode::Implicit), self.use_port(587)],
            NotSmtp | NotTls | AlpnRejected => vec![self.check_port()],

            BannerTimeout if self.failure.alternatives.contains(&TlsOnPlaintextPort) => vec![
                later("The relay is slow or overloaded. Try again later."),
                self.use_mode(TlsMode::Implicit),
                self.longer_limit(),
            ],
            BannerTimeout | ReplyTimeout => vec![
                later("The relay is slow or overloaded. Try again later."),
                self.longer_limit(),
            ],
            BannerRejected => vec![relay(
                "Ask who runs the relay whether it blocks this client's address.",
            )],
            // RFC 5321 section 4.2.2: the command is unknown, whatever the name.
            EhloRejected if self.replied(&[500, 502]) => vec![
                self.check_port(),
                upgrade("What answered knows neither EHLO nor HELO."),
            ],
            EhloRejected => vec![self.set_ehlo_name()],
            ReplyMalformed | ReplyTooLarge => {
                vec![
                    self.check_port(),
                    upgrade("What answered does not keep to SMTP."),
                ]
            }

            StarttlsNotOffered => vec![
                self.use_port(465),
                relay("Switch STARTTLS on in the relay, with a certificate."),
            ],
            StarttlsStripped => vec![
                operator(
                    Action::CheckNetwork,
                    "Switch SMTP inspection off in the firewall on the way (Cisco ASA: `no \
                     inspect esmtp`)."
                        .into(),
                ),
                self.use_port(465),
            ],
            StarttlsRefusedTemporary | StarttlsRefused => vec![relay(
                "Look at the relay's log: it offers STARTTLS, but its certificate or key is \
                 missing or cannot be read.",
            )],
            StarttlsInjection | DowngradeDetected => vec![
                operator(
                    Action::Investigate,
                    "Look for something on the way that changes the connection. Nothing was sent."
                        .into(),
                ),
                self.use_port(465),
            ],
            StarttlsNoTls => {
                vec![
                    upgrade("The relay agrees to STARTTLS and does not start TLS."),
                    self.use_port(465),
                ]
            }

            // RFC 3207 section 4 has EHLO taken before STARTTLS.
            StarttlsRequired if self.failure.stage == Stage::Ehlo => vec![
                self.use_port(465),
                upgrade("The relay must answer EHLO before TLS: only EHLO can offer STARTTLS."),
            ],
            StarttlsRequired if self.target.mode.requires_tls() => vec![
                self.use_mode(TlsMode::Starttls),
                relay(
                    "If something before the relay takes TLS off, let the relay take plaintext \
                     from there.",
                ),
            ],
            StarttlsRequired => vec![self.use_mode(TlsMode::Starttls)],

            NoCommonVersion => vec![upgrade(
                "The relay must speak TLS 1.2 or newer: posthaste speaks nothing older.",
            )],
            NoCommonCipher => vec![change_relay_tls(
                "Enable ECDHE suites with AES-GCM or ChaCha20 in the relay.",
            )],
            NoCommonGroup => vec![change_relay_tls(
                "Enable the groups X25519 or P-256 in the relay.",
            )],
            NoCommonSignature | CertUnsupportedSignature => vec![change_relay_tls(
                "Give the relay a certificate with an ECDSA P-256 or an RSA 2048 key.",
            )],
            VersionIntolerant => vec![
                self.owner(
                    Action::AllowTlsVersion,
                    "Offer TLS 1.2 only to this relay.".into(),
                    "tls.max_version",
                    Some("1.2"),
                ),
                upgrade("The relay drops a ClientHello that offers TLS 1.3."),
            ],
            HelloTooLarge => vec![self.owner(
                Action::ChangeRelayTls,
                "Switch post-quantum groups off for this relay: they make the ClientHello large."
                    .into(),
                "tls.post_quantum",
                Some("false"),
            )],
            HandshakeRefused => vec![
                relay("Look at the relay's log: it refused the handshake and did not say why."),
                self.client_certificate(
                    "If the relay asks for client certificates, configure one.",
                ),
                change_relay_tls("Enable TLS 1.2 or 1.3 with ECDHE suites in the relay."),
            ],
            SniRejected => {
                vec![self.set_server_name(
                    "Use the name that the relay knows itself by.",
                    self.certified_name().as_deref(),
                )]
            }
            AccessDenied => vec![relay("Ask who runs the relay to let this client in.")],
            ServerInternalError => vec![
                later("The relay failed in the handshake. Try again later."),
                relay("Look at the relay's log."),
            ],
            PskRequired => vec![change_relay_tls(
                "Give the relay a certificate: it wants a pre-shared key.",
            )],
            HandshakeTimeout | HandshakeClosed | HandshakeReset => {
                let mut remedies = vec![later("Try again later.")];
                // No advice where the relay answered, or a small hello fared no
                // better.
                if self.failure.alternatives.contains(&HelloTooLarge) {
                    remedies.push(
                        self.owner(
                            Action::ChangeRelayTls,
                            "If it repeats, something on the way may drop large hellos: switch \
                             post-quantum groups off for this relay."
                                .into(),
                            "tls.post_quantum",
                            Some("false"),
                        ),
                    );
                }
                remedies
            }
            Corrupted => vec![later("Data was damaged on the way. Try again.")],
            ProtocolViolation => vec![upgrade("The relay's TLS breaks the protocol.")],

            CertExpired => vec![renew(
                "Renew the relay's certificate, and reload the mail server so that it is used.",
            )],
            CertNotYetValid => vec![
                operator(
                    Action::CheckClock,
                    "If the certificate should be valid by now, set this host's clock.".into(),
                ),
                renew("Install a certificate that is valid now."),
            ],
            CertNameMismatch | SmtpIntercepted
                if self.failure.confidence == Confidence::Ambiguous =>
            {
                let other = self.use_certified_name(
                    "If it is the relay by another name, use one that the certificate carries.",
                );
                iter::once(self.who_answers()).chain(other).collect()
            }
            CertNameMismatch => {
                let renewed = renew("Install a certificate that carries the relay's name.");
                let other = self.use_certified_name("Use a name that the certificate carries.");
                other.into_iter().chain([renewed]).collect()
            }
            SmtpIntercepted => vec![self.who_answers()],
            CertNoSan => vec![renew(
                "Issue the certificate again with a subject alternative name: a common name alone \
                 is not enough.",
            )],
            CertSelfSigned => vec![
                self.pin_key(),
                self.add_trust_anchor(
                    "Or trust the relay's own certificate, unless it is one of a CA.",
                ),
                renew("Install a certificate from a public issuer."),
            ],
            CertIncompleteChain => vec![
                Remedy {
                    action: Action::SendIntermediate,
                    party: Party::Relay,
                    summary: "Let the relay send its intermediate certificates too (often \
                              `fullchain.pem`)."
                        .into(),
                    setting: None,
                },
                self.add_trust_anchor("Or trust the issuer of the certificate."),
            ],
            CertUntrustedRoot | CertUnknownIssuer => {
                vec![self.add_trust_anchor("Trust the certification authority of the relay.")]
            }
            CertRevoked => vec![renew("Replace the relay's certificate: it was revoked.")],
            CertWrongPurpose
            | CertCaAsLeaf
            | CertWeakSignature
            | CertWeakKey
            | CertUnsupportedVersion
            | CertUnknownCriticalExtension
            | CertBadSignature
            | CertMalformed
            | CertConstraintViolated => {
                vec![renew("Issue the relay's certificate again.")]
            }
            CertMissing => vec![change_relay_tls("Give the relay a certificate.")],
            CertPinMismatch => vec![self.pin_key()],
            CertRevocationUnknown => vec![self.owner(
                Action::ChangeRelayTls,
                "Fetch a fresh revocation list.".into(),
                "tls.crl_file",
                None,
            )],

            ClientCertRequired => {
                vec![self.client_certificate(
                    "Configure the client certificate that the relay asks for.",
                )]
            }
            ClientCertRejected => vec![
                self.client_certificate("Configure a client certificate that the relay takes."),
                relay("Look at the relay's log: it refused the client certificate."),
            ],

            AuthRejected if matches!(self.target.credentials, Some(Credentials::OAuth { .. })) => {
                vec![self.new_token("Get a new OAuth token: the relay refuses this one.")]
            }
            AuthRejected => vec![self.credentials("Check the user name and the password.")],
            AuthRequired => vec![self.credentials("Configure credentials: the relay wants AUTH.")],
            AuthMechanism => vec![
                self.credentials("Use credentials of a kind that the relay offers AUTH for."),
                relay("Enable AUTH PLAIN in the relay."),
            ],
            AuthTemporary => vec![later(
                "The relay could not check the credentials. Try again later.",
            )],
            AuthToken => vec![self.new_token("Get a new OAuth token.")],
            AuthUnproven => vec![
                operator(
                    Action::Investigate,
                    "Look for something on the way that answers in the relay's name. Neither the \
                     password nor the mail was sent."
                        .into(),
                ),
                relay("Check that the relay's SCRAM keeps to RFC 5802."),
            ],

            SenderRejected => vec![caller(
                Action::ChangeMail,
                "Send from an address that this relay takes.",
            )],
            RecipientsRejected => vec![caller(
                Action::ChangeMail,
                "Check the recipients' addresses.",
            )],
            MessageRejected => vec![caller(
                Action::ChangeMail,
                "Change the message: the relay's reply says what it does not take.",
            )],
            MessageTooLarge => vec![caller(Action::ChangeMail, "Make the message smaller.")],
            Deferred => vec![later("Try again later.")],
            RelayClosing => vec![later(
                "The relay is closing or limits connections. Try again later.",
            )],
            ExtensionMissing => vec![
                caller(
                    Action::ChangeMail,
                    "Send a message that does not need the extension: 7-bit content, ASCII \
                     addresses.",
                ),
                upgrade("The relay lacks an SMTP extension that this mail needs."),
            ],
            ConnectionLost => vec![later("The connection broke. Try again.")],
            OutcomeUnknown => vec![caller(
                Action::Investigate,
                "The relay may have the mail. Ask again with the same request ID, or look at the \
                 relay's log, before sending it again.",
            )],
            DeadlineExceeded if self.failure.stage == Stage::PoolWait => vec![
                caller(
                    Action::RetryLater,
                    "Allow more time, or send fewer mails at a time: all connections to the relay \
                     were in use.",
                ),
                self.more_connections(),
            ],
            DeadlineExceeded => vec![caller(
                Action::RetryLater,
                "Allow more time: set a longer deadline on the call.",
            )],

            LocalTrustStore => vec![
                operator(
                    Action::AddTrustAnchor,
                    "Install the system's trust anchors anew (package `ca-certificates`), or \
                     mend what `SSL_CERT_FILE` and `SSL_CERT_DIR` point to."
                        .into(),
                ),
                self.add_trust_anchor("Or trust the certification authority of the relay."),
            ],
            LocalClock => vec![operator(
                Action::CheckClock,
                "Set this host's clock.".into(),
            )],
            LocalConfig => vec![operator(
                Action::Investigate,
                "Mend posthaste's configuration: the summary says what is wrong.".into(),
            )],
            LocalInternal | LocalStore => vec![operator(
                Action::Investigate,
                "Look at posthaste's log.".into(),
            )],
        }
    }

    /// The ports and modes, other than those in use, that were tried.
    fn tried(&self) -> impl Iterator<Item = &TlsProbe> {
        let here = (self.target.port, self.target.mode);
        let probes = self.failure.tls.iter().flat_map(|tls| &tls.probes);
        probes.filter(move |probe| (probe.port, probe.mode) != here)
    }

    /// Whether a reply with one of `codes` refused.
    fn replied(&self, codes: &[u16]) -> bool {
        let reply = self.failure.reply.as_ref();
        reply.is_some_and(|it| codes.contains(&it.code.value()))
    }

    /// Whether `remedy` is the advice that `probe` has put to the test. That a
    /// port is for another mode is true even where that fails in turn.
    fn outdates(&self, probe: &TlsProbe, remedy: &Remedy) -> bool {
        if probe.port == self.target.port {
            probe.succeeded && *remedy == self.use_mode(probe.mode)
        } else {
            *remedy == self.use_port(probe.port)
        }
    }

    /// What was tried and works.
    fn proven(&self) -> Vec<Remedy> {
        let works = self.tried().filter(|probe| probe.succeeded);
        works
            .take(MOST_PROVEN)
            .flat_map(|probe| {
                let how = spoken(probe.mode);
                let settled = probe
                    .session
                    .as_ref()
                    .map_or_else(String::new, |session| format!(": {session}"));
                if probe.port == self.target.port {
                    let summary = format!("Port {} with {how} works{settled}.", probe.port);
                    return vec![self.change_mode(probe.mode, summary)];
                }
                let port = self.owner(
                    Action::ChangePort,
                    format!("Port {} with {how} works{settled}.", probe.port),
                    "port",
                    Some(&probe.port.to_string()),
                );
                // Whether the mode follows the port is not known here.
                let mode =
                    self.change_mode(probe.mode, format!("With port {}, use {how}.", probe.port));
                let needs_mode = probe.mode != self.target.mode && port.setting.is_some();
                [Some(port), needs_mode.then_some(mode)]
                    .into_iter()
                    .flatten()
                    .collect()
            })
            .collect()
    }

    /// A change to the relay's settings, by whoever described it. The setting
    /// is named where it is one of posthaste's own.
    fn owner(&self, action: Action, summary: String, key: &str, value: Option<&str>) -> Remedy {
        let (party, setting) = match (self.target.origin, &self.target.relay) {
            (RelayOrigin::Configured, Some(name)) => (
                Party::Operator,
                Some((
                    format!("relays.{name}.{key}"),
                    value.unwrap_or_default().into(),
                )),
            ),
            _ => (Party::Caller, None),
        };
        Remedy {
            action,
            party,
            summary,
            setting,
        }
    }

    fn who_answers(&self) -> Remedy {
        operator(
            Action::CheckNetwork,
            format!(
                "Ask who runs the network whether it redirects SMTP to another server: hosting \
                 providers do so on ports 25 and 587. What answers may not be {}.",
                self.target.host
            ),
        )
    }

    fn use_mode(&self, mode: TlsMode) -> Remedy {
        let how = spoken(mode);
        self.change_mode(mode, format!("Use {how} on port {}.", self.target.port))
    }

    fn change_mode(&self, mode: TlsMode, summary: String) -> Remedy {
        let action = match mode {
            TlsMode::Implicit => Action::UseImplicitTls,
            _ => Action::UseStarttls,
        };
        self.owner(action, summary, "tls.mode", Some(&mode.to_string()))
    }

    fn use_port(&self, port: u16) -> Remedy {
        self.owner(
            Action::ChangePort,
            format!(
                "Use port {port}, where {} is usual.",
                spoken(TlsMode::of_port(port))
            ),
            "port",
            Some(&port.to_string()),
        )
    }

    fn check_port(&self) -> Remedy {
        self.owner(
            Action::ChangePort,
            format!(
                "Check the port: submission is usually 587 (STARTTLS) or 465 (implicit TLS), not {}.",
                self.target.port
            ),
            "port",
            None,
        )
    }

    fn longer_limit(&self) -> Remedy {
        let key = match self.failure.stage {
            Stage::Resolve => "limits.resolve",
            Stage::Connect => "limits.connect",
            Stage::Greeting => "limits.greeting",
            Stage::Ehlo => "limits.ehlo",
            Stage::Starttls => "limits.starttls",
            Stage::TlsHandshake => "limits.handshake",
            Stage::Auth => "limits.auth",
            Stage::MailFrom => "limits.mail",
            Stage::RcptTo => "limits.rcpt",
            Stage::Data => "limits.data",
            Stage::EndOfData => "limits.end_of_data",
            Stage::Quit | Stage::PoolWait => "limits",
        };
        self.owner(
            Action::ChangeRelayTls,
            "Or give the relay more time.".into(),
            key,
            None,
        )
    }

    fn set_ehlo_name(&self) -> Remedy {
        let summary = format!(
            "The relay refuses the EHLO name `{}`: use a fully qualified name that resolves.",
            self.target.ehlo_name
        );
        match self.target.origin {
            RelayOrigin::Configured => self.owner(Action::SetEhloName, summary, "ehlo_name", None),
            RelayOrigin::Custom => Remedy {
                action: Action::SetEhloName,
                party: Party::Operator,
                summary,
                setting: Some(("custom_relays.ehlo_name".into(), String::new())),
            },
        }
    }

    fn set_server_name(&self, summary: &str, name: Option<&str>) -> Remedy {
        self.owner(
            Action::SetServerName,
            summary.into(),
            "tls.server_name",
            name,
        )
    }

    /// No advice where no name would pass.
    fn use_certified_name(&self, summary: &str) -> Option<Remedy> {
        let name = self.certified_name()?;
        Some(self.set_server_name(summary, Some(&name)))
    }

    /// A name that the certificate is for: the first that it carries, or else
    /// one that a wildcard of it covers.
    fn certified_name(&self) -> Option<String> {
        let tls = self.failure.tls.as_ref()?;
        let leaf = tls.certificates.first()?;
        let mut names = leaf.subject_alt_names.iter();
        let whole = names.clone().find(|name| name.parse::<Host>().is_ok());
        whole
            .cloned()
            .or_else(|| names.find_map(|name| covered_by(name, &tls.server_name)))
    }

    /// Only the operator can allow more, whoever described the relay.
    fn more_connections(&self) -> Remedy {
        let section = match (self.target.origin, &self.target.relay) {
            (RelayOrigin::Configured, Some(name)) => format!("relays.{name}"),
            _ => "custom_relays".into(),
        };
        Remedy {
            action: Action::Investigate,
            party: Party::Operator,
            summary: "Allow more connections to the relay, if it takes more.".into(),
            setting: Some((format!("{section}.pool.max_connections"), String::new())),
        }
    }

    fn add_trust_anchor(&self, summary: &str) -> Remedy {
        self.owner(Action::AddTrustAnchor, summary.into(), "tls.ca_file", None)
    }

    fn pin_key(&self) -> Remedy {
        let pin = self
            .failure
            .tls
            .as_ref()
            .and_then(|tls| tls.certificates.first())
            .map(|leaf| leaf.key_pin.as_str());
        self.owner(
            Action::AddTrustAnchor,
            "Once you know that the key is the relay's, pin it.".into(),
            "tls.key_pins",
            pin,
        )
    }

    fn client_certificate(&self, summary: &str) -> Remedy {
        self.owner(
            Action::ProvideClientCertificate,
            summary.into(),
            "tls.client_certificate_file",
            None,
        )
    }

    fn credentials(&self, summary: &str) -> Remedy {
        self.owner(
            Action::CheckCredentials,
            summary.into(),
            "credentials",
            None,
        )
    }

    fn new_token(&self, summary: &str) -> Remedy {
        self.owner(
            Action::CheckCredentials,
            summary.into(),
            "credentials.token_file",
            None,
        )
    }

    fn address(&self) -> String {
        match &self.target.host {
            Host::Name(name) => format!("{name}:{}", self.target.port),
            Host::Ip(ip) => std::net::SocketAddr::new(*ip, self.target.port).to_string(),
        }
    }
}

/// A name like `wanted` that `wildcard` covers. A wildcard stands for one
/// label, and not for one right below a top-level domain.
fn covered_by(wildcard: &str, wanted: &str) -> Option<String> {
    let domain = wildcard.strip_prefix("*.")?;
    let label = match wanted.parse() {
        Ok(Host::Name(_)) => wanted.split('.').next()?,
        _ => "smtp",
    };
    let name = format!("{label}.{domain}");
    (domain.contains('.') && name.parse::<Host>().is_ok()).then_some(name)
}

fn spoken(mode: TlsMode) -> &'static str {
    match mode {
        TlsMode::Implicit => "implicit TLS",
        _ => "STARTTLS",
    }
}

fn plain(action: Action, party: Party, summary: &str) -> Remedy {
    Remedy {
        action,
        party,
        summary: summary.into(),
        setting: None,
    }
}

fn later(summary: &str) -> Remedy {
    plain(Action::RetryLater, Party::Caller, summary)
}

fn caller(action: Action, summary: &str) -> Remedy {
    plain(action, Party::Caller, summary)
}

fn operator(action: Action, summary: String) -> Remedy {
    Remedy {
        action,
        party: Party::Operator,
        summary,
        setting: None,
    }
}

fn relay(summary: &str) -> Remedy {
    plain(Action::Investigate, Party::Relay, summary)
}

fn upgrade(summary: &str) -> Remedy {
    plain(Action::UpgradeRelay, Party::Relay, summary)
}

fn change_relay_tls(summary: &str) -> Remedy {
    plain(Action::ChangeRelayTls, Party::Relay, summary)
}

fn renew(summary: &str) -> Remedy {
    plain(Action::RenewCertificate, Party::Relay, summary)
}
