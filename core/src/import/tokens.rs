//! Counting tokens of text, where a source has no counts of its own.

/// Counts tokens. The native binary brings a real tokenizer, the page an estimate.
pub trait TokenCounter: Send + Sync {
    /// What the record says about where its counts come from: `tokenizer:NAME` or `bytes/N`.
    fn name(&self) -> String;
    /// Tokens of one text.
    fn count(&self, text: &str) -> u32;
    /// Splits a text into pieces of at most `tokens` tokens each, on character borders.
    fn split<'a>(&self, text: &'a str, tokens: u32) -> Vec<(&'a str, u32)>;
}

/// Bytes divided by a constant: for the page, where a vocabulary would outweigh everything else.
#[derive(Clone, Copy, Debug)]
pub struct BytesPerToken {
    /// Bytes that make one token.
    pub bytes: u32,
}

impl Default for BytesPerToken {
    /// Four bytes a token, the usual rule of thumb for English text and code.
    fn default() -> Self {
        BytesPerToken { bytes: 4 }
    }
}

impl TokenCounter for BytesPerToken {
    fn name(&self) -> String {
        format!("bytes/{}", self.bytes)
    }

    fn count(&self, text: &str) -> u32 {
        (text.len() as u32).div_ceil(self.bytes)
    }

    fn split<'a>(&self, text: &'a str, tokens: u32) -> Vec<(&'a str, u32)> {
        let step = (u64::from(tokens) * u64::from(self.bytes)).min(text.len() as u64).max(1) as usize;
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            // Back to a character's border; forward only where not even one character fits.
            let border = |end: &usize| rest.is_char_boundary(*end);
            let limit = step.min(rest.len());
            let end = (1..=limit).rev().find(border).or_else(|| (limit..=rest.len()).find(border));
            let end = end.unwrap_or(rest.len());
            let (piece, behind) = rest.split_at(end);
            pieces.push((piece, self.count(piece)));
            rest = behind;
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_to_the_limit_and_to_the_borders_of_characters() {
        let counter = BytesPerToken::default();
        let text = "aé世🙂".repeat(200);
        for tokens in [1, 2, 64, u32::MAX] {
            let pieces = counter.split(&text, tokens);
            assert_eq!(pieces.iter().map(|(piece, _)| *piece).collect::<String>(), text);
            assert!(
                pieces.iter().all(|(piece, counted)| *counted <= tokens && *counted == counter.count(piece))
            );
        }
        assert_eq!(counter.split("", 64), []);
        assert_eq!(
            BytesPerToken { bytes: 1 }.split("🙂🙂", 1),
            [("🙂", 4), ("🙂", 4)],
            "a character is never cut"
        );
    }
}
