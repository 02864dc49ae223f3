//! Real tokenizers behind the core's [`TokenCounter`]: tiktoken vocabularies by name, any
//! `tokenizer.json` by path, or bytes per token.

use anyhow::{Context, bail};
use atr_core::import::tokens::{BytesPerToken, TokenCounter};
use std::path::Path;
use tiktoken_rs::CoreBPE;
use tokenizers::Tokenizer;

/// The tokenizer that is used where none is named.
pub(crate) const DEFAULT: &str = "o200k_base";

/// A vocabulary's name, and how to load it once.
type Vocabulary = (&'static str, fn() -> &'static CoreBPE);

/// Vocabularies that the binary carries.
const VOCABULARIES: &[Vocabulary] = &[
    ("o200k_base", tiktoken_rs::o200k_base_singleton),
    ("o200k_harmony", tiktoken_rs::o200k_harmony_singleton),
    ("cl100k_base", tiktoken_rs::cl100k_base_singleton),
    ("p50k_base", tiktoken_rs::p50k_base_singleton),
    ("r50k_base", tiktoken_rs::r50k_base_singleton),
];

/// The counter called `name`: a vocabulary, `bytes/N`, or the path of a `tokenizer.json`.
///
/// # Errors
/// When there is no such vocabulary, or the file is no tokenizer.
pub(crate) fn load(name: &str) -> anyhow::Result<Box<dyn TokenCounter>> {
    if let Some((name, load)) = VOCABULARIES.iter().find(|(known, _)| *known == name) {
        return Ok(Box::new(Tiktoken { name, load: *load }));
    }
    if let Some(bytes) = name.strip_prefix("bytes/") {
        let bytes = bytes.parse().ok().filter(|bytes| (1..=64).contains(bytes));
        let bytes = bytes.with_context(|| format!("`{name}`: expected `bytes/N` with N from 1 to 64"))?;
        return Ok(Box::new(BytesPerToken { bytes }));
    }
    let path = Path::new(name);
    if path.extension().is_none_or(|extension| extension != "json") {
        let known: Vec<&str> = VOCABULARIES.iter().map(|(known, _)| *known).collect();
        bail!(
            "unknown tokenizer `{name}`, expected one of {}, `bytes/N` or the path of a `tokenizer.json`",
            known.join(", ")
        );
    }
    let tokenizer = Tokenizer::from_file(path)
        .map_err(|error| anyhow::anyhow!("{name}: expected a `tokenizer.json`: {error}"))?;
    let folder = path.parent().and_then(Path::file_name).map(|folder| folder.to_string_lossy());
    let name = folder
        .filter(|_| path.ends_with("tokenizer.json"))
        .unwrap_or_else(|| path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default());
    Ok(Box::new(File { name: name.into_owned(), tokenizer }))
}

/// A tiktoken vocabulary. It is loaded when the first text is counted.
struct Tiktoken {
    name: &'static str,
    load: fn() -> &'static CoreBPE,
}

impl TokenCounter for Tiktoken {
    fn name(&self) -> String {
        format!("tokenizer:{}", self.name)
    }

    fn count(&self, text: &str) -> u32 {
        (self.load)().count_ordinary(text) as u32
    }

    fn split<'a>(&self, text: &'a str, tokens: u32) -> Vec<(&'a str, u32)> {
        let bpe = (self.load)();
        let all = bpe.encode_ordinary(text);
        // Every token comes from the vocabulary just used, so it also decodes.
        let bytes = |tokens: &[u32]| bpe.decode_bytes(tokens).map_or(0, |bytes| bytes.len());
        let ends = all.chunks(tokens.max(1) as usize).map(|chunk| (bytes(chunk), chunk.len() as u32));
        pieces(text, ends)
    }
}

/// A tokenizer read from a file.
struct File {
    name: String,
    tokenizer: Tokenizer,
}

impl TokenCounter for File {
    fn name(&self) -> String {
        format!("tokenizer:{}", self.name)
    }

    fn count(&self, text: &str) -> u32 {
        self.split(text, u32::MAX).iter().map(|(_, tokens)| tokens).sum()
    }

    fn split<'a>(&self, text: &'a str, tokens: u32) -> Vec<(&'a str, u32)> {
        let Ok(encoding) = self.tokenizer.encode_fast(text, false) else {
            // A text that the tokenizer refuses is still a text with a length.
            return BytesPerToken::default().split(text, tokens);
        };
        let mut begun = 0;
        let ends = encoding.get_offsets().chunks(tokens.max(1) as usize).map(|chunk| {
            let end = chunk.last().map_or(begun, |(_, end)| (*end).max(begun));
            let bytes = end - begun;
            begun = end;
            (bytes, chunk.len() as u32)
        });
        pieces(text, ends)
    }
}

/// Cuts a text into pieces of the given bytes, each moved to the next character's border. The last
/// piece takes what is left.
fn pieces(text: &str, lengths: impl Iterator<Item = (usize, u32)>) -> Vec<(&str, u32)> {
    let mut pieces: Vec<(&str, u32)> = Vec::new();
    let (mut start, mut end) = (0, 0);
    for (bytes, tokens) in lengths {
        end = (end + bytes).min(text.len());
        let mut border = end.max(start);
        while !text.is_char_boundary(border) {
            border += 1;
        }
        pieces.push((&text[start..border], tokens));
        start = border;
    }
    match pieces.last_mut() {
        Some((last, _)) if start < text.len() => *last = &text[start - last.len()..],
        None if !text.is_empty() => pieces.push((text, 1)),
        _ => {}
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Token counts of `o200k_base` and `cl100k_base` as their publisher's own tool prints them.
    #[test]
    fn vocabularies_count_as_published() {
        let cases = [("o200k_base", "hello world", 2), ("cl100k_base", "tiktoken is great!", 6)];
        for (name, text, tokens) in cases {
            assert_eq!(load(name).unwrap().count(text), tokens, "{name}: {text}");
        }
    }

    #[test]
    fn pieces_make_the_text_whole_again() {
        let text = "fn main() { println!(\"grüße, 世界 🙂🙂🙂\"); }\n".repeat(40);
        for name in ["o200k_base", "cl100k_base", "bytes/4"] {
            let counter = load(name).unwrap();
            let pieces = counter.split(&text, 64);
            let whole: String = pieces.iter().map(|(piece, _)| *piece).collect();
            assert_eq!(whole, text, "{name}");
            assert!(pieces.iter().all(|(_, tokens)| *tokens <= 64), "{name}");
            // Bytes are rounded in every piece that ends before a character does.
            let sum: u32 = pieces.iter().map(|(_, tokens)| tokens).sum();
            assert!(name.starts_with("bytes/") || sum == counter.count(&text), "{name}");
            assert!(counter.split("", 64).is_empty(), "{name}");
        }
    }

    #[test]
    fn equal_beginnings_split_equally() {
        let counter = load("o200k_base").unwrap();
        let common = "the quick brown fox jumps over the lazy dog. ".repeat(30);
        let (a, b) = (format!("{common}one end"), format!("{common}another end, and a longer one"));
        let (a, b) = (counter.split(&a, 64), counter.split(&b, 64));
        let shared = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
        assert_eq!(shared, counter.count(&common) as usize / 64);
    }

    #[test]
    fn a_wrong_name_says_what_is_right() {
        let error = |name: &str| load(name).err().unwrap().to_string();
        assert!(error("gpt2000").contains("o200k_base"), "{}", error("gpt2000"));
        assert!(error("bytes/0").contains("bytes/N"));
        assert!(error("/no/such/tokenizer.json").contains("/no/such/tokenizer.json"));
    }
}
