//! `posthaste send`: a client of the API for the shell.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::ArgGroup;

use super::{show, tls_mode::TlsMode};
use crate::api::client::{self, pb};

/// Send a mail through a running service.
///
/// The message is put together from the options, or, with --raw, is a complete
/// RFC 5322 message from a file or standard input.
///
/// Exit status: 0, the relay took it for every recipient; 1, it did not, or
/// not for all, or may have; 2, the request is not valid or the service cannot
/// be reached; 75, trying again later may help.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("content").args(["text", "text_file", "raw"]))]
pub struct Args {
    /// The service.
    #[arg(
        long,
        env = "POSTHASTE_ENDPOINT",
        default_value = "http://127.0.0.1:50051"
    )]
    endpoint: String,

    /// The author: `ada@example.com` or `Ada <ada@example.com>`.
    #[arg(long, value_parser = mailbox, required_unless_present = "raw")]
    from: Option<pb::Address>,
    /// A recipient. May be repeated.
    #[arg(long, value_parser = mailbox, required_unless_present_any = ["raw", "cc", "bcc"])]
    to: Vec<pb::Address>,
    /// A recipient of a copy. May be repeated.
    #[arg(long, value_parser = mailbox)]
    cc: Vec<pb::Address>,
    /// A recipient who is not named in the message. May be repeated.
    #[arg(long, value_parser = mailbox)]
    bcc: Vec<pb::Address>,
    /// Where replies go. May be repeated.
    #[arg(long, value_parser = mailbox)]
    reply_to: Vec<pb::Address>,
    /// The subject.
    #[arg(long, default_value = "", hide_default_value = true)]
    subject: String,
    /// The plain text body.
    #[arg(long)]
    text: Option<String>,
    /// A file with the plain text body; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    text_file: Option<PathBuf>,
    /// A file with the HTML body.
    #[arg(long, value_name = "FILE")]
    html_file: Option<PathBuf>,
    /// A file to attach. May be repeated.
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// An image that the HTML body shows as `cid:ID`. May be repeated.
    #[arg(long, value_name = "ID=FILE", value_parser = pair)]
    inline: Vec<(String, String)>,
    /// A further header field. May be repeated.
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<pb::Header>,

    /// A file with a complete RFC 5322 message; `-` is standard input.
    #[arg(long, value_name = "FILE", requires_all = ["mail_from", "rcpt_to"],
          conflicts_with_all = ["from", "to", "cc", "bcc", "reply_to", "subject", "html_file",
                                "attach", "inline", "header"])]
    raw: Option<PathBuf>,
    /// The reverse-path; `<>` or nothing is the null reverse-path.
    #[arg(long, value_name = "ADDRESS")]
    mail_from: Option<String>,
    /// A forward-path. May be repeated.
    #[arg(long, value_name = "ADDRESS")]
    rcpt_to: Vec<String>,

    /// A relay of the service's configuration. Its routes choose when there is none.
    #[arg(long, value_name = "NAME", conflicts_with = "custom_relay")]
    relay: Option<String>,
    /// A relay that the service need not know. Its operator must allow it.
    #[arg(long, value_name = "HOST[:PORT]")]
    custom_relay: Option<String>,
    /// The user name for --custom-relay.
    #[arg(long, requires_all = ["custom_relay", "password_file"])]
    username: Option<String>,
    /// A file with the password for --custom-relay.
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// When TLS starts.
    #[arg(long, value_enum)]
    tls_mode: Option<TlsMode>,
    /// Accept TLS 1.3 only.
    #[arg(long)]
    tls13: bool,
    /// Further trust anchors, as PEM.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Send to nobody unless the relay accepts every recipient.
    #[arg(long)]
    all_or_none: bool,

    /// Names the request, so that sending again does not send twice.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    request_id: String,
    /// Check everything and send nothing.
    #[arg(long)]
    validate_only: bool,
    /// How long to wait for the answer, such as `30s`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "120s")]
    timeout: Duration,
    /// Print the answer as JSON: a SendMailResponse, or a SendError.
    #[arg(long)]
    json: bool,
}

/// A mail that could not be put together or handed over.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{0} is not UTF-8 text")]
    NotText(String),
    #[error("`{0}` is not HOST or HOST:PORT")]
    Relay(String),
    #[error("cannot reach the service at {endpoint}: {source}")]
    Connect {
        endpoint: String,
        source: client::ConnectError,
    },
    #[error("cannot start: {0}")]
    Runtime(#[from] io::Error),
}

/// Sends the mail and prints what became of it.
pub fn run(args: Args) -> ExitCode {
    let json = args.json;
    match send(args) {
        Ok(Ok(response)) => {
            print(json, &response, || show::sent(&response));
            if response.refused_count == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(1)
            }
        }
        Ok(Err(error)) => {
            print(json, &error, || show::failed(&error));
            ExitCode::from(show::exit_status(&error))
        }
        Err(error) => {
            show::complain(&error);
            ExitCode::from(2)
        }
    }
}

fn send(args: Args) -> Result<Result<pb::SendMailResponse, pb::SendError>, Error> {
    let endpoint = args.endpoint.clone();
    let timeout = args.timeout;
    let request = request(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut client = client::Client::connect(&endpoint)
            .await
            .map_err(|source| Error::Connect { endpoint, source })?;
        Ok(client.send(request, Some(timeout)).await)
    })
}

fn request(args: Args) -> Result<pb::SendMailRequest, Error> {
    let raw = args.raw.as_deref().map(read).transpose()?;
    let relay = relay(&args)?;
    let tls = tls(&args)?;
    let policy = if args.all_or_none {
        pb::RecipientPolicy::All
    } else {
        pb::RecipientPolicy::Any
    };
    let envelope = (args.mail_from.is_some() || !args.rcpt_to.is_empty()).then(|| pb::Envelope {
        mail_from: args.mail_from.clone().map(|path| match path.as_str() {
            "<>" => String::new(),
            _ => path,
        }),
        rcpt_to: args.rcpt_to.clone(),
    });
    let request_id = args.request_id.clone();
    let validate_only = args.validate_only;
    let content = match raw {
        Some(raw) => pb::mail::Content::Raw(raw.into()),
        None => pb::mail::Content::Message(message(args)?),
    };
    Ok(pb::SendMailRequest {
        request_id,
        mail: Some(pb::Mail {
            content: Some(content),
            envelope,
            relay,
            tls,
            recipient_policy: policy.into(),
            ..pb::Mail::default()
        }),
        validate_only,
    })
}

fn message(args: Args) -> Result<pb::Message, Error> {
    let text = match (args.text, args.text_file) {
        (Some(text), _) => text,
        (None, Some(path)) => read_text(&path)?,
        (None, None) => String::new(),
    };
    let html = args.html_file.as_deref().map(read_text).transpose()?;
    let attached = args.attach.iter().map(|path| attachment(path, ""));
    let inline = args
        .inline
        .iter()
        .map(|(id, path)| attachment(Path::new(path), id));
    Ok(pb::Message {
        from_address: args.from,
        reply_to: args.reply_to,
        to: args.to,
        cc: args.cc,
        bcc: args.bcc,
        subject: args.subject,
        text,
        html: html.unwrap_or_default(),
        attachments: attached.chain(inline).collect::<Result<_, _>>()?,
        headers: args.header,
        ..pb::Message::default()
    })
}

fn attachment(path: &Path, content_id: &str) -> Result<pb::Attachment, Error> {
    let filename = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(pb::Attachment {
        filename: filename.into_owned(),
        content_type: mime_guess::from_path(path)
            .first_or_octet_stream()
            .to_string(),
        content: read(path)?.into(),
        content_id: content_id.to_owned(),
    })
}

fn relay(args: &Args) -> Result<Option<pb::RelayTarget>, Error> {
    use pb::relay_target::Target;

    let target = match (&args.relay, &args.custom_relay) {
        (Some(name), _) => Target::Name(name.clone()),
        (None, Some(address)) => {
            let (host, port) = host_and_port(address)?;
            Target::Custom(pb::CustomRelay {
                host,
                port,
                credentials: credentials(args)?,
            })
        }
        (None, None) => return Ok(None),
    };
    Ok(Some(pb::RelayTarget {
        target: Some(target),
    }))
}

fn credentials(args: &Args) -> Result<Option<pb::Credentials>, Error> {
    let (Some(username), Some(path)) = (&args.username, &args.password_file) else {
        return Ok(None);
    };
    let password = read_text(path)?;
    let password = pb::PasswordCredentials {
        username: username.clone(),
        password: password.trim_end_matches(['\r', '\n']).to_owned(),
    };
    Ok(Some(pb::Credentials {
        secret: Some(pb::credentials::Secret::Password(password)),
    }))
}

fn tls(args: &Args) -> Result<Option<pb::TlsOptions>, Error> {
    if args.tls_mode.is_none() && args.ca_file.is_none() && !args.tls13 {
        return Ok(None);
    }
    let mut tls = pb::TlsOptions {
        trust_anchors_pem: match &args.ca_file {
            Some(path) => read_text(path)?,
            None => String::new(),
        },
        ..pb::TlsOptions::default()
    };
    if let Some(mode) = args.tls_mode {
        tls.set_mode(mode.into());
    }
    if args.tls13 {
        tls.set_min_version(pb::TlsVersion::TlsVersion13);
    }
    Ok(Some(tls))
}

fn print<M: client::Json>(json: bool, message: &M, for_people: impl FnOnce() -> String) {
    let text = if json {
        message.to_json()
    } else {
        for_people()
    };
    show::out(&text);
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    bytes.map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

fn read_text(path: &Path) -> Result<String, Error> {
    String::from_utf8(read(path)?).map_err(|_| Error::NotText(path.display().to_string()))
}

/// `Ada <ada@example.com>` or `ada@example.com`. The service checks the rest.
fn mailbox(text: &str) -> Result<pb::Address, String> {
    let (display_name, email) = match text.strip_suffix('>').and_then(|t| t.rsplit_once('<')) {
        Some((name, email)) => (name.trim().trim_matches('"'), email),
        None => ("", text),
    };
    if email.contains('@') {
        Ok(pb::Address {
            email: email.trim().to_owned(),
            display_name: display_name.to_owned(),
        })
    } else {
        Err("an address has an at sign".into())
    }
}

fn header(text: &str) -> Result<pb::Header, String> {
    let (name, value) = text.split_once(':').ok_or("a header field has a colon")?;
    Ok(pb::Header {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
    })
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("there is no `=`")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// An IPv6 address with a port stands in brackets; without a port it may stand alone.
fn host_and_port(address: &str) -> Result<(String, u32), Error> {
    let bad = || Error::Relay(address.to_owned());
    if let Some((host, rest)) = address.strip_prefix('[').and_then(|a| a.split_once(']')) {
        let port = match rest.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| bad())?,
            None if rest.is_empty() => 0,
            None => return Err(bad()),
        };
        return Ok((host.to_owned(), port));
    }
    match address.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Ok((address.to_owned(), 0)),
        Some((host, port)) => Ok((host.to_owned(), port.parse().map_err(|_| bad())?)),
        None => Ok((address.to_owned(), 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_has_a_name_or_none() {
        let parse = |text| mailbox(text).map(|a| (a.display_name, a.email));
        let plain = Ok((String::new(), "ada@example.com".into()));
        assert_eq!(parse("ada@example.com"), plain);
        assert_eq!(parse("<ada@example.com>"), plain);
        assert_eq!(
            parse("\"Lovelace, Ada\" <ada@example.com>"),
            Ok(("Lovelace, Ada".into(), "ada@example.com".into()))
        );
        assert!(parse("Ada").is_err());
    }

    #[test]
    fn a_relay_has_a_port_or_the_default() {
        let parse = |text| host_and_port(text).ok();
        assert_eq!(
            parse("mail.example.com"),
            Some(("mail.example.com".into(), 0))
        );
        assert_eq!(
            parse("mail.example.com:465"),
            Some(("mail.example.com".into(), 465))
        );
        assert_eq!(parse("[2001:db8::1]:25"), Some(("2001:db8::1".into(), 25)));
        assert_eq!(parse("2001:db8::1"), Some(("2001:db8::1".into(), 0)));
        assert_eq!(parse("mail.example.com:smtp"), None);
    }
}
