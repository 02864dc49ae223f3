//! Lines and words of a text, many bytes at a time.

use memchr::{memchr_iter, memchr2_iter, memchr3_iter};

/// Lines, as [`str::lines`] tells them.
pub(super) fn lines(text: &str) -> u32 {
    let ends = memchr_iter(b'\n', text.as_bytes()).count();
    (ends + usize::from(!text.is_empty() && !text.ends_with('\n'))) as u32
}

/// Words, as [`str::split_whitespace`] tells them.
pub(super) fn words(text: &str) -> u32 {
    if text.is_ascii() || !holds_wide_space(text) {
        narrow_words(text.as_bytes())
    } else {
        text.split_whitespace().count() as u32
    }
}

/// Words between ASCII space: bytes of a word that stand behind none.
fn narrow_words(bytes: &[u8]) -> u32 {
    // So few bytes that a byte holds their count, and many are counted at once.
    const BLOCK: usize = 256;
    let Some((first, behind)) = bytes.split_first() else { return 0 };
    let count = |(before, at): (&[u8], &[u8])| {
        let starts = before.iter().zip(at).map(|(&before, &at)| u8::from(is_space(before) & !is_space(at)));
        u32::from(starts.sum::<u8>())
    };
    let (whole, rest) = behind.as_chunks::<BLOCK>();
    let (whole_before, rest_before) = bytes[..behind.len()].as_chunks::<BLOCK>();
    let pairs = whole_before.iter().zip(whole).map(|(before, at)| (before.as_slice(), at.as_slice()));
    u32::from(!is_space(*first)) + pairs.map(count).sum::<u32>() + count((rest_before, rest))
}

/// Without a branch, so that many bytes are told at once.
fn is_space(byte: u8) -> bool {
    (byte == b' ') | (byte.wrapping_sub(b'\t') < 5)
}

/// Whether there is space beyond ASCII. Its characters begin with one of four bytes.
fn holds_wide_space(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_wide = |at: usize| text[at..].chars().next().is_some_and(char::is_whitespace);
    memchr3_iter(0xc2, 0xe2, 0xe3, bytes).any(is_wide) || memchr2_iter(0xe1, 0xe1, bytes).any(is_wide)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_space_of_unicode_parts_words() {
        for space in (0..=0x0010_ffff).filter_map(char::from_u32) {
            let text = format!("a{space}é b{space}");
            assert_eq!(words(&text), text.split_whitespace().count() as u32, "{space:?}");
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    proptest::proptest! {
        #[test]
        fn lines_and_words_are_those_of_the_standard_library(text in "[ab\u{a0}\u{1680}\u{2003}世—\t\r\n ]{0,80}") {
            assert_eq!(lines(&text), text.lines().count() as u32);
            assert_eq!(words(&text), text.split_whitespace().count() as u32);
        }

        #[test]
        fn words_of_long_texts_are_those_of_the_standard_library(text in "[abcé\t\n ]{200,1400}") {
            assert_eq!(words(&text), text.split_whitespace().count() as u32);
        }
    }
}
