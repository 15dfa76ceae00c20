//! Protocols that a port turns out to speak instead, by what it says first.
//! Pure.

use rustls_pki_types::DnsName;

/// What a server may begin with, and what it then speaks.
const OPENINGS: [(&str, &str); 12] = [
    ("HTTP/", "HTTP"),
    ("<", "HTTP"),
    ("* OK", "IMAP"),
    ("* BYE", "IMAP"),
    ("* PREAUTH", "IMAP"),
    ("+OK", "POP3"),
    // POP3 errors look the same but for the words.
    ("-ERR unknown command", "Redis"),
    ("-ERR wrong number of arguments", "Redis"),
    ("-ERR Protocol error", "Redis"),
    ("-DENIED Redis", "Redis"),
    ("-ERR", "POP3"),
    ("SSH-", "SSH"),
];

/// The protocol of a server that begins with `bytes`, where it is one that is
/// known and neither TLS nor SMTP.
pub fn foreign_protocol(bytes: &[u8]) -> Option<&'static str> {
    let known = OPENINGS
        .iter()
        .find(|(start, _)| bytes.starts_with(start.as_bytes()));
    known.map(|(_, protocol)| *protocol)
}

/// Whether a greeting, which looks like that of a relay (RFC 959 section 5.4),
/// names a server of FTP, such as `(vsFTPd 3.0.5)`. In the name of a host it
/// says nothing.
pub fn is_ftp(greeting: &str) -> bool {
    let text = greeting.to_ascii_lowercase();
    let is_host = |word: &str| word.contains('.') && DnsName::try_from(word).is_ok();
    !text.contains("smtp")
        && text
            .split_ascii_whitespace()
            .any(|word| (word.contains("ftp") && !is_host(word)) || word == "filezilla")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_first_tells_the_protocol() {
        for (text, protocol) in [
            ("HTTP/1.1 400 Bad", Some("HTTP")),
            ("* OK [CAPABILITY IMAP4rev1] ready", Some("IMAP")),
            ("+OK ready", Some("POP3")),
            ("-ERR [SYS/TEMP] try later", Some("POP3")),
            (
                "-ERR unknown command 'EHLO', with args beginning with:",
                Some("Redis"),
            ),
            (
                "-DENIED Redis is running in protected mode because",
                Some("Redis"),
            ),
            ("SSH-2.0-OpenSSH", Some("SSH")),
            ("220 mail.example.com ESMTP", None),
            ("002bERR access denied", None),
            ("", None),
        ] {
            assert_eq!(foreign_protocol(text.as_bytes()), protocol, "{text}");
        }
    }

    #[test]
    fn ftp_is_told_by_its_greeting_and_not_by_a_name_of_a_host() {
        for greeting in [
            "(vsFTPd 3.0.5)",
            "ProFTPD Server (Debian) [::ffff:127.0.0.1]",
            "FileZilla Server hello",
            "mail FTP server ready.",
        ] {
            assert!(is_ftp(greeting), "{greeting}");
        }
        for greeting in ["ftp.example.com", "ftp ESMTP", "mail.example.com ready", ""] {
            assert!(!is_ftp(greeting), "{greeting}");
        }
    }
}
