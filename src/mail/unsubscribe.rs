//! How a reader leaves a list.

use std::str::FromStr;

use super::{Broken, Rule, text::no_controls};

/// How the reader leaves the list (RFC 2369, RFC 8058): by at least one way,
/// and by one click only where there is an `https:` URI to post to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListUnsubscribe {
    mailto: Option<MailtoUri>,
    https: Option<HttpsUri>,
    one_click: bool,
}

impl ListUnsubscribe {
    /// Breaks [`Rule::Required`] when there is no URI, or when `one_click` has
    /// no `https:` URI.
    pub fn new(
        mailto: Option<MailtoUri>,
        https: Option<HttpsUri>,
        one_click: bool,
    ) -> Result<Self, Broken> {
        if one_click && https.is_none() {
            return Err(Broken::new(
                Rule::Required,
                "must have an `https:` URI when it is one-click",
            ));
        }
        if mailto.is_none() && https.is_none() {
            return Err(Broken::new(
                Rule::Required,
                "must have a `mailto:` URI or an `https:` URI",
            ));
        }
        Ok(Self {
            mailto,
            https,
            one_click,
        })
    }

    /// The way by mail.
    pub fn mailto(&self) -> Option<&MailtoUri> {
        self.mailto.as_ref()
    }

    /// The way by the web.
    pub fn https(&self) -> Option<&HttpsUri> {
        self.https.as_ref()
    }

    /// Whether a POST to the `https:` URI alone unsubscribes the reader.
    pub fn is_one_click(&self) -> bool {
        self.one_click
    }
}

/// A `mailto:` URI with at least one address (RFC 6068), of at most
/// [`MailtoUri::MAX_CHARS`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MailtoUri(String);

impl MailtoUri {
    /// The longest one.
    pub const MAX_CHARS: usize = 2048;

    /// The whole URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MailtoUri {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        uri_characters(text, Self::MAX_CHARS)?;
        let syntax = || {
            Broken::new(
                Rule::Syntax,
                "must be a `mailto:` URI with an address, such as `mailto:leave@example.com`",
            )
        };
        let rest = after_scheme(text, "mailto:").ok_or_else(syntax)?;
        let addresses = rest
            .split_once('?')
            .map_or(rest, |(addresses, _)| addresses);
        let is_address = |address: &str| {
            address
                .rsplit_once('@')
                .is_some_and(|(local_part, domain)| !local_part.is_empty() && !domain.is_empty())
        };
        if rest.contains('#') || !addresses.split(',').all(is_address) {
            return Err(syntax());
        }
        Ok(Self(text.to_owned()))
    }
}

/// An `https:` URI with a host, of at most [`HttpsUri::MAX_CHARS`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpsUri(String);

impl HttpsUri {
    /// The longest one.
    pub const MAX_CHARS: usize = 2048;

    /// The whole URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HttpsUri {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        uri_characters(text, Self::MAX_CHARS)?;
        let has_host = after_scheme(text, "https://").is_some()
            && text
                .parse::<http::Uri>()
                .is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()));
        if !has_host {
            return Err(Broken::new(
                Rule::Syntax,
                "must be an `https:` URI with a host, such as `https://example.com/leave`",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

fn after_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// The length, and the characters of RFC 3986 section 2. Angle brackets, which
/// stand around the URI in its header field, are not among them.
fn uri_characters(text: &str, max: usize) -> Result<(), Broken> {
    if text.chars().nth(max).is_some() {
        return Err(Broken::new(
            Rule::Length,
            format!("must not be longer than {max} characters"),
        ));
    }
    no_controls(text)?;
    let is_uri_byte = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
    let is_encoded = |(start, _): (usize, &str)| {
        text.as_bytes()
            .get(start + 1..start + 3)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.bytes().all(is_uri_byte) {
        return Err(Broken::new(
            Rule::ForbiddenCharacter,
            "must not contain characters that a URI must percent-encode",
        ));
    }
    if !text.match_indices('%').all(is_encoded) {
        return Err(Broken::new(
            Rule::Syntax,
            "must have two hexadecimal digits after each percent sign",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule<T: FromStr<Err = Broken>>(text: &str) -> Option<Rule> {
        text.parse::<T>().err().map(|broken| broken.rule)
    }

    #[test]
    fn the_length_limits_hold_at_under_and_over() {
        for (len, expected) in [(2047, None), (2048, None), (2049, Some(Rule::Length))] {
            let mailto = "mailto:a@b?subject=";
            let text = format!("{mailto}{}", "x".repeat(len - mailto.len()));
            assert_eq!(rule::<MailtoUri>(&text), expected, "{len}");
            let https = "https://a/";
            let text = format!("{https}{}", "x".repeat(len - https.len()));
            assert_eq!(rule::<HttpsUri>(&text), expected, "{len}");
        }
    }

    #[test]
    fn a_mailto_uri_has_addresses() {
        for text in [
            "mailto:a@b",
            "MAILTO:a@b.c,d@e.f?subject=leave%20me",
            "mailto:%22a%20b%22@example.com",
        ] {
            assert_eq!(rule::<MailtoUri>(text), None, "{text}");
        }
        for text in [
            "",
            "mailto:",
            "mailto:a",
            "mailto:a@",
            "mailto:a@b,",
            "mailto:?to=a@b",
            "https://a@b",
            "mailto:a@b?x=%4",
            "mailto:a%zz@b",
        ] {
            assert_eq!(rule::<MailtoUri>(text), Some(Rule::Syntax), "{text}");
        }
    }

    #[test]
    fn an_https_uri_has_a_host() {
        for text in [
            "https://a",
            "HTTPS://example.com:8443/x?y=z#f",
            "https://[2001:db8::1]/",
            "https://u@example.com/%C3%BC",
        ] {
            assert_eq!(rule::<HttpsUri>(text), None, "{text}");
        }
        for text in [
            "",
            "https:",
            "https://",
            "https:///x",
            "http://a",
            "ahttps://b",
        ] {
            assert_eq!(rule::<HttpsUri>(text), Some(Rule::Syntax), "{text}");
        }
    }

    #[test]
    fn nothing_gets_through_that_could_end_the_field() {
        for (text, expected) in [
            ("https://a/\r\nX: y", Rule::ControlCharacter),
            ("https://a/ b", Rule::ForbiddenCharacter),
            ("https://a/>,<https://b/", Rule::ForbiddenCharacter),
            ("https://ü.example/", Rule::ForbiddenCharacter),
            ("https://a/\"", Rule::ForbiddenCharacter),
        ] {
            assert_eq!(rule::<HttpsUri>(text), Some(expected), "{text:?}");
            let mailto = text.replace("https://a/", "mailto:a@b?");
            assert_eq!(rule::<MailtoUri>(&mailto), Some(expected), "{mailto:?}");
        }
    }

    #[test]
    fn one_click_needs_https() {
        let mailto = || Some("mailto:a@b".parse().unwrap());
        let https = || Some("https://a/".parse().unwrap());
        let rule = |mailto, https, one_click| {
            ListUnsubscribe::new(mailto, https, one_click)
                .err()
                .map(|broken| broken.rule)
        };
        assert_eq!(rule(mailto(), None, false), None);
        assert_eq!(rule(None, https(), false), None);
        assert_eq!(rule(mailto(), https(), true), None);
        assert_eq!(rule(mailto(), None, true), Some(Rule::Required));
        assert_eq!(rule(None, None, false), Some(Rule::Required));
    }
}
