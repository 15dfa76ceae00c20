//! Replies, from octets (RFC 5321 section 4.2). Does no I/O, and keeps no more
//! than its bounds allow, whatever the relay says.

use crate::report::{EnhancedStatusCode, Reply, ReplyCode};

/// A line, with its end.
const MAX_LINE: usize = 4 * 1024;
/// A whole reply.
const MAX_REPLY: usize = 64 * 1024;
/// What is kept of a reply's text. What is beyond was read, and is dropped.
const KEPT_TEXT: usize = 4 * 1024;
/// How many lines are kept, since even empty ones take room.
const KEPT_LINES: usize = 128;

/// What is kept of a reply as it came, until it is whole.
const BEGINNING: usize = 64;

/// What came is not a reply, or is too long for one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum BadReply {
    #[error("it does not begin with a reply code")]
    NoCode,
    #[error("its lines have different reply codes")]
    MixedCodes,
    #[error("it has a line of more than {MAX_LINE} octets")]
    LineTooLong,
    #[error("it has more than {MAX_REPLY} octets")]
    TooLong,
}

/// Takes octets in pieces of any size, and gives replies.
#[derive(Default)]
pub(super) struct Parser {
    octets: Vec<u8>,
    begun: Option<Begun>,
}

/// A reply whose last line has not come yet.
struct Begun {
    reply: Reply,
    /// Its first octets.
    first: Vec<u8>,
    octets: usize,
    kept: usize,
}

impl Parser {
    /// Takes what the relay sent.
    pub(super) fn feed(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// The next whole reply, if it is there.
    pub(super) fn next(&mut self) -> Result<Option<Reply>, BadReply> {
        while let Some(end) = self.line_end()? {
            let line: Vec<u8> = self.octets.drain(..end).collect();
            if let Some(reply) = self.take_line(&line)? {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    /// What the reply under way begins with, or what came in its place.
    pub(super) fn beginning(&self) -> Vec<u8> {
        let begun = self.begun.as_ref().map_or(&[][..], |begun| &begun.first);
        let all = begun.iter().chain(&self.octets);
        all.copied().take(BEGINNING).collect()
    }

    /// Whether nothing came behind the last reply.
    pub(super) fn is_empty(&self) -> bool {
        self.octets.is_empty() && self.begun.is_none()
    }

    /// The length of the first line, once it is whole. A line that cannot
    /// become one of a reply is refused as early as that is known, whether or
    /// not its end ever comes.
    fn line_end(&self) -> Result<Option<usize>, BadReply> {
        let window = &self.octets[..self.octets.len().min(MAX_LINE)];
        let end = memchr::memchr(b'\n', window).map(|at| at + 1);
        if (end.is_some() || window.len() >= 4) && code_of(window).is_none() {
            return Err(BadReply::NoCode);
        }
        match end {
            None if window.len() == MAX_LINE => Err(BadReply::LineTooLong),
            end => Ok(end),
        }
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Option<Reply>, BadReply> {
        let (code, is_last) = code_of(line).ok_or(BadReply::NoCode)?;
        let begun = self.begun.get_or_insert_with(|| Begun {
            reply: Reply {
                code,
                enhanced: None,
                lines: Vec::new(),
            },
            first: Vec::new(),
            octets: 0,
            kept: 0,
        });
        let room = BEGINNING - begun.first.len();
        begun.first.extend(line.iter().take(room));
        if begun.reply.code != code {
            return Err(BadReply::MixedCodes);
        }
        begun.octets += line.len();
        if begun.octets > MAX_REPLY {
            return Err(BadReply::TooLong);
        }
        begun.keep(line.get(4..).unwrap_or_default());
        Ok(if is_last {
            self.begun.take().map(|begun| begun.reply)
        } else {
            None
        })
    }
}

impl Begun {
    fn keep(&mut self, text: &[u8]) {
        let text = printable(text);
        let mut text = text.trim_end();
        if let Some((enhanced, rest)) = enhanced_status_code(text, self.reply.code) {
            // Each line of a reply repeats the code (RFC 2034 section 4).
            self.reply.enhanced.get_or_insert(enhanced);
            text = rest;
        }
        let room = KEPT_TEXT - self.kept;
        let text = &text[..text.floor_char_boundary(room)];
        if room > 0 && self.reply.lines.len() < KEPT_LINES {
            self.kept += text.len();
            self.reply.lines.push(text.to_owned());
        }
    }
}

/// The code of a line, and whether the reply ends with it. The space behind
/// the code is missing where there is no text (RFC 5321 section 4.2).
fn code_of(line: &[u8]) -> Option<(ReplyCode, bool)> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits
        .iter()
        .fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    let code = ReplyCode::new(number)?;
    match rest.first()? {
        b'-' => Some((code, false)),
        b' ' | b'\r' | b'\n' => Some((code, true)),
        _ => None,
    }
}

fn printable(text: &[u8]) -> String {
    let text = text.trim_ascii_end();
    if text.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return String::from_utf8_lossy(text).into_owned();
    }
    String::from_utf8_lossy(text)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The enhanced status code that `text` begins with (RFC 2034 section 4), and
/// what follows it. Its class must be that of the reply code.
fn enhanced_status_code(text: &str, code: ReplyCode) -> Option<(EnhancedStatusCode, &str)> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut numbers = word.split('.');
    let class = numbers.next()?;
    let subject = up_to_three_digits(numbers.next()?)?;
    let detail = up_to_three_digits(numbers.next()?)?;
    let class = match class {
        "2" => 2,
        "4" => 4,
        "5" => 5,
        _ => return None,
    };
    let is_one = numbers.next().is_none() && code.value() / 100 == u16::from(class);
    is_one.then_some((
        EnhancedStatusCode {
            class,
            subject,
            detail,
        },
        rest.trim_start(),
    ))
}

fn up_to_three_digits(text: &str) -> Option<u16> {
    let is_number = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(octets: &[u8]) -> Vec<Result<Reply, BadReply>> {
        parse_pieces(&[octets])
    }

    /// Everything that comes out, up to the first error.
    fn parse_pieces(pieces: &[&[u8]]) -> Vec<Result<Reply, BadReply>> {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        for piece in pieces {
            parser.feed(piece);
            loop {
                match parser.next() {
                    Ok(Some(reply)) => out.push(Ok(reply)),
                    Ok(None) => break,
                    Err(error) => {
                        out.push(Err(error));
                        return out;
                    }
                }
            }
        }
        out
    }

    fn one(octets: &[u8]) -> Reply {
        let mut replies = parse(octets);
        assert_eq!(replies.len(), 1, "{replies:?}");
        replies.remove(0).unwrap()
    }

    #[test]
    fn a_reply_of_one_line_or_several() {
        let reply = one(b"250 ok\r\n");
        assert_eq!(reply.code.value(), 250);
        assert_eq!(reply.lines, ["ok"]);

        let reply = one(b"250-first\r\n250-\r\n250 last\r\n");
        assert_eq!(reply.lines, ["first", "", "last"]);

        for octets in [&b"250\r\n"[..], b"250 \r\n", b"250\n"] {
            assert_eq!(one(octets).lines, [""]);
        }
        assert_eq!(one(b"220-a\n220 b\n").lines, ["a", "b"]);
    }

    #[test]
    fn enhanced_status_codes_are_taken_when_their_class_fits() {
        let reply = one(b"550-5.1.1 no such\r\n550 5.1.1 user\r\n");
        assert_eq!(reply.enhanced.unwrap().to_string(), "5.1.1");
        assert_eq!(reply.lines, ["no such", "user"]);
        assert_eq!(one(b"250 2.0.0\r\n").enhanced.unwrap().to_string(), "2.0.0");

        for text in [
            "550 4.1.1 other class",
            "550 5.1 two parts",
            "550 5.1.1.1 four",
            "550 5.1111.1 long",
            "550 5.1.x letters",
            "550 5..1 empty",
            "550 +5.1.1 sign",
            "354 3.0.0 no such class",
        ] {
            let reply = one(format!("{text}\r\n").as_bytes());
            assert_eq!(reply.enhanced, None, "{text}");
            assert_eq!(reply.lines, [&text[4..]]);
        }
    }

    #[test]
    fn text_becomes_valid_without_controls() {
        let reply = one(b"250 a\x00b\x1b[31m\xff\xc2\x85\ttab\rcr\r\n");
        assert_eq!(reply.lines, ["a b [31m\u{fffd}  tab cr"]);
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for octets in [
            &b"* OK IMAP\r\n"[..],
            b"\r\n",
            b"25\r\n",
            b"2500 x\r\n",
            b"250_x\r\n",
            b"199 x\r\n",
            b"600 x\r\n",
            b"HTTP",
            b"\x80\x81\x82\x83",
            b" 250 ok\r\n",
        ] {
            assert_eq!(parse(octets), [Err(BadReply::NoCode)], "{octets:?}");
        }
        assert_eq!(parse(b"250-a\r\n550 b\r\n"), [Err(BadReply::MixedCodes)]);
    }

    #[test]
    fn the_bounds_hold_at_under_and_over() {
        let line = |octets: usize| {
            let mut line = b"250 ".to_vec();
            line.resize(octets - 2, b'a');
            line.extend_from_slice(b"\r\n");
            line
        };
        assert!(parse(&line(MAX_LINE))[0].is_ok());
        assert_eq!(parse(&line(MAX_LINE + 1)), [Err(BadReply::LineTooLong)]);

        let reply = |octets: usize| {
            let mut reply = b"250-abcdefghi\r\n".repeat(octets / 15 - 2);
            let rest = octets - reply.len();
            reply.extend(line(rest));
            reply
        };
        assert_eq!(reply(MAX_REPLY).len(), MAX_REPLY);
        assert!(parse(&reply(MAX_REPLY))[0].is_ok());
        assert_eq!(parse(&reply(MAX_REPLY + 1)), [Err(BadReply::TooLong)]);
    }

    #[test]
    fn kept_text_is_bounded() {
        let long = format!("250-{}\r\n", "ä".repeat(1000)).repeat(10) + "250 end\r\n";
        let reply = one(long.as_bytes());
        let kept: usize = reply.lines.iter().map(String::len).sum();
        assert_eq!(kept, KEPT_TEXT);

        let many = "250-\r\n".repeat(5000) + "250 end\r\n";
        assert_eq!(one(many.as_bytes()).lines.len(), KEPT_LINES);
    }

    #[test]
    fn what_follows_a_reply_stays() {
        let mut parser = Parser::default();
        parser.feed(b"220 go\r\n250 early\r\n25");
        assert_eq!(parser.next().unwrap().unwrap().code.value(), 220);
        assert!(!parser.is_empty());
        assert_eq!(parser.next().unwrap().unwrap().code.value(), 250);
        assert_eq!(parser.next(), Ok(None));
        assert_eq!(parser.beginning(), b"25");
        assert!(!parser.is_empty());

        parser.feed(b"0-x\r\n");
        assert_eq!(parser.next(), Ok(None));
        assert_eq!(parser.beginning(), b"250-x\r\n");
        assert!(!parser.is_empty(), "a reply has begun");
    }

    fn octets() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            "[2-5][0-9]{2}[ -]([245]\\.[0-9]\\.[0-9] )?[a-z\u{80}-\u{ff}]{0,20}\r?\n"
                .prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..20),
            (4000_usize..4200).prop_map(|n| [b"250-".to_vec(), vec![b'a'; n]].concat()),
        ];
        prop::collection::vec(line, 0..24).prop_map(|lines| lines.concat())
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            octets in octets(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let whole = parse(&octets);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
            cuts.extend([0, octets.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &octets[w[0]..w[1]]).collect();
            prop_assert_eq!(&parse_pieces(&pieces), &whole);
            let single: Vec<&[u8]> = octets.chunks(1).collect();
            prop_assert_eq!(&parse_pieces(&single), &whole);

            for reply in whole.into_iter().flatten() {
                prop_assert!(reply.lines.iter().flat_map(|line| line.chars()).all(|c| !c.is_control()));
                prop_assert!(reply.lines.iter().map(String::len).sum::<usize>() <= KEPT_TEXT);
            }
        }
    }
}
