//! Tokenizers.

use atr_core::import::tokens::{BytesPerToken, TokenCounter};

/// The counter of a name.
pub fn counter(_name: Option<&str>) -> anyhow::Result<Box<dyn TokenCounter>> {
    Ok(Box::new(BytesPerToken::default()))
}
