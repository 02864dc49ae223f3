//! A model's shape, from the `config.json` that comes with it.

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// What of a model decides what its steps compute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// Its name.
    pub(crate) name: String,
    pub(crate) layers: u64,
    pub(crate) hidden: u64,
    pub(crate) heads: u64,
    pub(crate) kv_heads: u64,
    /// Size of a head.
    pub(crate) dim: u64,
    /// Width between the products of a layer's second half.
    pub(crate) inter: u64,
    pub(crate) vocabulary: u64,
    /// Whether queries and keys pass a norm of their own.
    pub(crate) head_norms: bool,
    /// Whether the first and the last matrix are one.
    pub(crate) tied: bool,
    pub(crate) rope_base: f64,
    /// Longest prompt and output together, as the file says.
    pub(crate) context: u64,
}

/// The keys of a `config.json` that are read.
#[derive(Deserialize)]
struct Config {
    model_type: String,
    num_hidden_layers: u64,
    hidden_size: u64,
    num_attention_heads: u64,
    #[serde(default)]
    num_key_value_heads: Option<u64>,
    #[serde(default)]
    head_dim: Option<u64>,
    intermediate_size: u64,
    vocab_size: u64,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    rope_theta: Option<f64>,
    #[serde(default)]
    rope_parameters: Option<Rope>,
    max_position_embeddings: u64,
}

#[derive(Deserialize)]
struct Rope {
    rope_theta: f64,
}

/// Kinds of models whose layers are those that the probe composes, and whether heads have norms.
const KINDS: [(&str, bool); 4] = [("qwen3", true), ("qwen2", false), ("llama", false), ("mistral", false)];

impl Shape {
    /// The shape of a model that comes along.
    pub(crate) fn by_name(name: &str) -> Option<Shape> {
        let qwen3 = |name: &str, hidden, inter, tied| Shape {
            name: name.to_owned(),
            layers: 36,
            hidden,
            heads: 32,
            kv_heads: 8,
            dim: 128,
            inter,
            vocabulary: 151_936,
            head_norms: true,
            tied,
            rope_base: 1e6,
            context: 40_960,
        };
        match name.to_ascii_lowercase().as_str() {
            "qwen3-4b" => Some(qwen3("Qwen3-4B", 2_560, 9_728, true)),
            "qwen3-8b" => Some(qwen3("Qwen3-8B", 4_096, 12_288, false)),
            _ => None,
        }
    }

    /// Reads a `config.json`.
    ///
    /// # Errors
    /// When it is none, or the model has layers of another kind.
    pub(crate) fn from_config(name: &str, text: &str) -> anyhow::Result<Shape> {
        let config: Config = serde_json::from_str(text).context("not a model's `config.json`")?;
        let kind = KINDS.iter().find(|(kind, _)| *kind == config.model_type);
        let Some((_, head_norms)) = kind else {
            let known = KINDS.map(|(kind, _)| kind).join(", ");
            anyhow::bail!("`model_type` is `{}`, expected one of: {known}", config.model_type);
        };
        let heads = config.num_attention_heads;
        let rope = config.rope_parameters.map(|rope| rope.rope_theta).or(config.rope_theta);
        let shape = Shape {
            name: name.to_owned(),
            layers: config.num_hidden_layers,
            hidden: config.hidden_size,
            heads,
            kv_heads: config.num_key_value_heads.unwrap_or(heads),
            dim: config.head_dim.unwrap_or(config.hidden_size.checked_div(heads).unwrap_or(0)),
            inter: config.intermediate_size,
            vocabulary: config.vocab_size,
            head_norms: *head_norms,
            tied: config.tie_word_embeddings,
            rope_base: rope.unwrap_or(1e4),
            context: config.max_position_embeddings,
        };
        shape.check()?;
        Ok(shape)
    }

    fn check(&self) -> anyhow::Result<()> {
        let sizes =
            [self.layers, self.hidden, self.heads, self.kv_heads, self.dim, self.inter, self.vocabulary];
        anyhow::ensure!(sizes.iter().all(|&size| size > 0 && size < 1 << 24), "a size is 0 or beyond reason");
        let Shape { heads, kv_heads, .. } = self;
        anyhow::ensure!(heads % kv_heads == 0, "{heads} query heads over {kv_heads} KV heads leave a rest");
        anyhow::ensure!(
            [self.hidden, self.inter].iter().all(|width| width % 128 == 0),
            "widths of {} and {}, expected multiples of 128",
            self.hidden,
            self.inter
        );
        Ok(())
    }

    /// Columns and inner sizes of the products of a layer: queries, keys and values; attention's output; gate and up; down.
    pub(crate) fn products(&self) -> [(u64, u64); 4] {
        let q = self.heads * self.dim;
        let qkv = q + 2 * self.kv_heads * self.dim;
        [(qkv, self.hidden), (self.hidden, q), (2 * self.inter, self.hidden), (self.hidden, self.inter)]
    }

    /// Weights that each token is multiplied by: all layers, and the last matrix.
    pub(crate) fn weights(&self) -> u64 {
        let layer: u64 = self.products().iter().map(|(columns, inner)| columns * inner).sum();
        layer * self.layers + self.vocabulary * self.hidden
    }

    /// Bytes of keys and values a token, over all layers, with numbers of two bytes.
    pub(crate) fn kv_bytes_per_token(&self) -> u64 {
        self.layers * self.kv_heads * self.dim * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"model_type":"qwen3","num_hidden_layers":36,"hidden_size":2560,"num_attention_heads":32,
        "num_key_value_heads":8,"head_dim":128,"intermediate_size":9728,"vocab_size":151936,"rope_theta":1000000,
        "tie_word_embeddings":true,"max_position_embeddings":40960,"torch_dtype":"bfloat16"}"#;

    #[test]
    fn a_config_reads_as_the_model_that_comes_along() {
        let read = Shape::from_config("Qwen3-4B", CONFIG).unwrap();
        assert_eq!(Some(read), Shape::by_name("qwen3-4b"));
    }

    /// The published sizes: 4.02 billion parameters, 8.19 billion of which 0.62 billion are the first matrix; 147,456 bytes
    /// of keys and values a token.
    #[test]
    fn sizes_are_the_published_ones() {
        let (small, large) = (Shape::by_name("qwen3-4b").unwrap(), Shape::by_name("qwen3-8b").unwrap());
        assert_eq!(small.kv_bytes_per_token(), 147_456);
        assert!((small.weights() as f64 / 4.02e9 - 1.0).abs() < 0.002, "{}", small.weights());
        assert!((large.weights() as f64 / (8.19e9 - 0.62e9) - 1.0).abs() < 0.002, "{}", large.weights());
    }

    #[test]
    fn other_models_are_refused_by_name() {
        let error = |text: &str| format!("{:#}", Shape::from_config("x", text).unwrap_err());
        assert!(error(&CONFIG.replace("qwen3", "mamba")).contains("`model_type` is `mamba`"));
        assert!(error("{}").contains("model_type"));
        let uneven = CONFIG.replace("\"num_key_value_heads\":8", "\"num_key_value_heads\":7");
        assert!(error(&uneven).contains("leave a rest"));
        assert!(error(&CONFIG.replace("9728", "9729")).contains("multiples of 128"));
        assert!(error(&CONFIG.replace(":36", ":0")).contains("size is 0"));
    }
}
