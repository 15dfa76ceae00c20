//! The replies that the relay gives of its own accord.

use std::borrow::Cow;

/// A reply (RFC 5321 section 4.2), with an enhanced status code where it has
/// one (RFC 2034).
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) code: u16,
    enhanced: &'static str,
    lines: Vec<Cow<'static, str>>,
}

impl Reply {
    /// A reply without an enhanced status code.
    pub(super) fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code, "", text)
    }

    pub(super) fn new(
        code: u16,
        enhanced: &'static str,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            code,
            enhanced,
            lines: vec![text.into()],
        }
    }

    pub(super) fn line(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.lines.push(text.into());
        self
    }

    /// No reply is due at this step.
    pub(super) fn none() -> Self {
        Self {
            code: 0,
            enhanced: "",
            lines: Vec::new(),
        }
    }

    /// The octets. Enhanced status codes go only to clients that were offered
    /// them.
    pub(super) fn render(&self, with_enhanced: bool) -> Vec<u8> {
        let mut text = String::new();
        for (n, line) in self.lines.iter().enumerate() {
            let last = n + 1 == self.lines.len();
            text.push_str(&self.code.to_string());
            text.push(if last { ' ' } else { '-' });
            if with_enhanced && !self.enhanced.is_empty() {
                text.push_str(self.enhanced);
                text.push(' ');
            }
            text.push_str(line);
            text.push_str("\r\n");
        }
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_lines_and_codes() {
        let reply = Reply::new(250, "2.0.0", "one").line("two");
        assert_eq!(reply.render(true), b"250-2.0.0 one\r\n250 2.0.0 two\r\n");
        assert_eq!(reply.render(false), b"250-one\r\n250 two\r\n");
        assert_eq!(Reply::none().render(true), b"");
    }
}
