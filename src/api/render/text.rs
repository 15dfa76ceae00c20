//! Texts of bounded length.

/// `text`, cut at a character so that it has at most `max_bytes`.
pub(in crate::api) fn clip(text: &str, max_bytes: usize) -> String {
    text[..text.floor_char_boundary(max_bytes)].to_owned()
}

/// `lines`, cut so that they have at most `max_bytes` in all. An empty line
/// counts as one, so that their number is bounded too.
pub(super) fn clip_lines<'a>(
    lines: impl IntoIterator<Item = &'a String>,
    max_bytes: usize,
) -> Vec<String> {
    let mut left = max_bytes;
    lines
        .into_iter()
        .map_while(|line| {
            (left > 0).then(|| {
                let line = clip(line, left);
                left -= line.len().max(1);
                line
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_a_character() {
        assert_eq!(clip("abc", 3), "abc");
        assert_eq!(clip("abcd", 3), "abc");
        assert_eq!(clip("aüb", 2), "a");
    }

    #[test]
    fn lines_are_cut_in_all() {
        let lines = ["abc", "def", "ghi"].map(String::from);
        assert_eq!(clip_lines(&lines, 9), ["abc", "def", "ghi"]);
        assert_eq!(clip_lines(&lines, 5), ["abc", "de"]);
        assert_eq!(clip_lines(&lines, 3), ["abc"]);
    }
}
