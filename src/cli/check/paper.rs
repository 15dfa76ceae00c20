//! Text for a terminal of 80 columns: wrapped, in colours where there are any,
//! and with everything harmless that a relay could have put into it.

use crate::cli::show::Style;

/// No line is wider.
pub(super) const COLUMNS: usize = 80;

/// A text that grows from top to bottom.
#[derive(Debug)]
pub(super) struct Paper {
    text: String,
    style: Style,
}

/// How a paragraph is painted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ink {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Caution,
    Hint,
}

impl Paper {
    pub(super) fn new(style: Style) -> Self {
        Self {
            text: String::new(),
            style,
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// A heading with an empty line before it.
    pub(super) fn heading(&mut self, text: &str) {
        self.gap();
        self.paragraph(0, Ink::Strong, text);
    }

    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// A text with so many columns free before it.
    pub(super) fn paragraph(&mut self, indent: usize, ink: Ink, text: &str) {
        self.hanging(&" ".repeat(indent), Ink::Plain, ink, text);
    }

    /// A label, and a text that hangs beside it.
    pub(super) fn hanging(&mut self, label: &str, label_ink: Ink, ink: Ink, text: &str) {
        let label = harmless(label);
        let indent = width(&label);
        let lines = wrap(&harmless(text), COLUMNS.saturating_sub(indent));
        let mut start = self.painted(label_ink, &label);
        for line in lines {
            let line = self.painted(ink, &line);
            self.text.push_str(format!("{start}{line}").trim_end());
            self.text.push('\n');
            start = " ".repeat(indent);
        }
    }

    /// A line as it is. It must be harmless, and short enough.
    pub(super) fn verbatim(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn painted(&self, ink: Ink, text: &str) -> String {
        if text.trim().is_empty() {
            return text.to_owned();
        }
        match ink {
            Ink::Plain => text.to_owned(),
            Ink::Strong => self.style.strong(text),
            Ink::Faint => self.style.faint(text),
            Ink::Good => self.style.good(text),
            Ink::Bad => self.style.bad(text),
            Ink::Caution => self.style.caution(text),
            Ink::Hint => self.style.hint(text),
        }
    }
}

/// `text` without what a terminal could obey: control characters, and those
/// that turn the direction of writing.
pub(super) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => '?',
            _ if c.is_control() => '?',
            _ => c,
        })
        .collect()
}

/// How many columns `text` takes. What may take two is counted as two: a line
/// that is too short does no harm.
pub(super) fn width(text: &str) -> usize {
    text.chars()
        .map(|c| if c < '\u{1100}' { 1 } else { 2 })
        .sum()
}

/// `text` in lines of at most `columns`, broken at spaces where there are any.
/// At least one line.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let space = usize::from(!line.is_empty());
        if !line.is_empty() && width(&line) + space + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if width(&line) + width(c.encode_utf8(&mut [0; 4])) > columns {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_too_wide_and_no_word_is_lost() {
        let text = "a bb ccc dddddddddddd e 日本語日本語";
        let lines = wrap(text, 6);
        assert_eq!(
            lines,
            ["a bb", "ccc", "dddddd", "dddddd", "e", "日本語", "日本語"]
        );
        assert_eq!(wrap("", 6), [""]);
    }

    #[test]
    fn nothing_of_a_reply_is_obeyed() {
        let evil = "\x1b[2J\x07\u{9b}31m\u{202e}abc\r\n\u{200b}";
        let shown = harmless(evil);
        assert_eq!(shown, "?[2J??31m?abc???");
    }

    #[test]
    fn a_label_stays_alone_in_its_columns() {
        let mut paper = Paper::new(Style::new(false));
        paper.hanging("  label  ", Ink::Plain, Ink::Plain, &"word ".repeat(30));
        let text = paper.into_text();
        assert!(text.starts_with("  label  word word"));
        assert!(
            text.lines()
                .skip(1)
                .all(|line| line.starts_with("         word"))
        );
        assert!(text.lines().all(|line| width(line) <= COLUMNS));
    }
}
