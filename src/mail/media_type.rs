//! Media types.

use std::str::FromStr;

use super::{Broken, Rule, text::no_controls};

/// A media type with its parameters (RFC 2045 section 5.1), of 3 to
/// [`MediaType::MAX_CHARS`]. Never a `multipart/*`: the parts of a message are
/// put together by posthaste alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MediaType(mime::Mime);

impl MediaType {
    /// The longest one.
    pub const MAX_CHARS: usize = 255;

    /// `application/octet-stream`: what a file is when nobody says.
    pub const OCTET_STREAM: Self = Self(mime::APPLICATION_OCTET_STREAM);

    /// The type and the subtype in lower case, such as `text/calendar`.
    pub fn essence(&self) -> &str {
        self.0.essence_str()
    }

    /// The type in lower case, such as `text`.
    pub fn top_level(&self) -> &str {
        self.0.type_().as_str()
    }

    /// The parameters, names in lower case, values without quotes. No value
    /// holds a quote or a backslash.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .params()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromStr for MediaType {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() < 3 || text.chars().nth(Self::MAX_CHARS).is_some() {
            return Err(Broken::new(
                Rule::Length,
                format!("must have 3 to {} characters", Self::MAX_CHARS),
            ));
        }
        no_controls(text)?;
        if !text.is_ascii() {
            return Err(Broken::new(Rule::ForbiddenCharacter, "must be ASCII"));
        }
        let parsed = Self(text.parse().map_err(|_| syntax())?);
        // `mime` takes an empty subtype, and the ranges of HTTP's Accept.
        if parsed.essence().ends_with('/') || parsed.essence().contains('*') {
            return Err(syntax());
        }
        let mut names = Vec::new();
        for (name, value) in parsed.parameters() {
            // `mime` takes both inside quotes, but does not know quoted pairs.
            if names.contains(&name) || value.contains(['"', '\\']) {
                return Err(syntax());
            }
            names.push(name);
        }
        if parsed.top_level() == "multipart" {
            return Err(Broken::new(Rule::Reserved, "must not be a multipart type"));
        }
        Ok(parsed)
    }
}

fn syntax() -> Broken {
    Broken::new(
        Rule::Syntax,
        "must be a media type, such as `text/calendar; method=REQUEST`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Option<Rule> {
        text.parse::<MediaType>().err().map(|broken| broken.rule)
    }

    #[test]
    fn type_and_parameters_are_taken_apart() {
        let parsed: MediaType = "Text/Calendar; Method=REQUEST; charset=\"UTF-8\""
            .parse()
            .unwrap();
        assert_eq!(parsed.essence(), "text/calendar");
        assert_eq!(parsed.top_level(), "text");
        assert_eq!(
            parsed.parameters().collect::<Vec<_>>(),
            [("method", "REQUEST"), ("charset", "utf-8")]
        );
    }

    #[test]
    fn the_length_limits_hold_at_under_and_over() {
        assert_eq!(rule("a/"), Some(Rule::Length));
        assert_eq!(rule("a/b"), None);
        assert_eq!(rule("a/bc"), None);
        for (len, expected) in [(254, None), (255, None), (256, Some(Rule::Length))] {
            assert_eq!(rule(&format!("a/{}", "b".repeat(len - 2))), expected);
        }
    }

    #[test]
    fn what_is_not_a_media_type_is_refused() {
        for text in [
            "text",
            "text/",
            "/plain",
            "*/*",
            "text/*",
            "a b/c",
            "text/plain; charset",
            "text/plain; a=\"b",
            "text/plain; a=\"b\\\"",
            "text/plain; a=\"\"b\"",
            "text/plain; a=1; A=2",
            "text/plain, text/html",
        ] {
            assert_eq!(rule(text), Some(Rule::Syntax), "{text}");
        }
        assert_eq!(rule("text/plain\r\nX: y"), Some(Rule::ControlCharacter));
        assert_eq!(rule("text/plain; a=\"ü\""), Some(Rule::ForbiddenCharacter));
        assert_eq!(rule("Multipart/Mixed; boundary=x"), Some(Rule::Reserved));
    }
}
