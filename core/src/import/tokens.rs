//! Counting tokens of text, where a source has no counts of its own.

/// Counts tokens. The native binary brings a real tokenizer, the page an estimate.
pub trait TokenCounter {
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
        let step = (tokens * self.bytes) as usize;
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let mut end = step.min(rest.len());
            while !rest.is_char_boundary(end) {
                end += 1;
            }
            let (piece, behind) = rest.split_at(end);
            pieces.push((piece, self.count(piece)));
            rest = behind;
        }
        pieces
    }
}
