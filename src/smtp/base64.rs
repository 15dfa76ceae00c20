//! base64 in lines (RFC 2045 section 6.8), at the pace of vector instructions:
//! files are most of what is sent.

use base64::Engine as _;

/// What one line is made of.
pub(super) const LINE: usize = 57;

/// A full line, and its CRLF.
pub(super) const WRAPPED_LINE: usize = 78;

/// A full line.
const ENCODED_LINE: usize = 76;

/// Lines that are encoded at once: enough for the vectors, and little enough to
/// be in the nearest cache still when line ends are put between them.
const BLOCK: usize = 72;

/// How long `len` octets become.
pub(super) fn wrapped_len(len: usize) -> u64 {
    let encoded = len.div_ceil(3) as u64 * 4;
    encoded + len.div_ceil(LINE) as u64 * 2
}

/// Puts `content` behind `out`, in lines of 76 characters that each end in CRLF.
pub(super) fn wrap(content: &[u8], out: &mut Vec<u8>) {
    out.reserve(content.len().div_ceil(LINE) * WRAPPED_LINE);
    let mut encoded = [0; BLOCK * ENCODED_LINE];
    for block in content.chunks(BLOCK * LINE) {
        #[expect(clippy::expect_used, reason = "57 octets become 76")]
        let len = engine()
            .encode_slice(block, &mut encoded)
            .expect("a block has room");
        let (lines, last) = encoded[..len].as_chunks::<ENCODED_LINE>();
        for line in lines {
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
        if !last.is_empty() {
            out.extend_from_slice(last);
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn engine() -> &'static base64::engine::Simd {
    use base64::engine::{Simd, general_purpose::PAD};

    static ENGINE: std::sync::LazyLock<Simd> = std::sync::LazyLock::new(|| Simd::standard(PAD));
    &ENGINE
}

/// For want of vectors that the crate knows.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn engine() -> &'static base64::engine::GeneralPurpose {
    &base64::engine::general_purpose::STANDARD
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn wrapped(content: &[u8]) -> String {
        let mut out = Vec::new();
        wrap(content, &mut out);
        assert_eq!(out.len() as u64, wrapped_len(content.len()));
        String::from_utf8(out).unwrap()
    }

    fn line_by_line(content: &[u8]) -> String {
        let lines = content.chunks(LINE);
        lines.map(|line| STANDARD.encode(line) + "\r\n").collect()
    }

    #[test]
    fn lines_are_those_of_rfc_2045_whatever_the_length() {
        let content: Vec<u8> = (0..=255).cycle().take(3 * BLOCK * LINE).collect();
        let around = |len: usize| len.saturating_sub(3)..len + 3;
        for len in [0, LINE, 2 * LINE, BLOCK * LINE, 2 * BLOCK * LINE]
            .into_iter()
            .flat_map(around)
        {
            assert_eq!(
                wrapped(&content[..len]),
                line_by_line(&content[..len]),
                "{len}"
            );
        }
    }

    proptest! {
        #[test]
        fn it_is_read_back(content in vec(any::<u8>(), 0..10_000)) {
            let wrapped = wrapped(&content);
            prop_assert!(wrapped.is_empty() || wrapped.ends_with("\r\n"));
            prop_assert!(wrapped.lines().all(|line| line.len() <= ENCODED_LINE));
            prop_assert_eq!(STANDARD.decode(wrapped.replace("\r\n", "")).unwrap(), content);
        }
    }
}
