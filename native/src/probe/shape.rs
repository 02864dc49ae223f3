//! A model's shape, from the `config.json` that comes with it.

use crate::gpu::op::SCALE_GROUP;
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
    /// How rotary positions are scaled, where they are: said, not done, since no time depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rope_scaling: Option<String>,
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
    #[serde(default)]
    rope_scaling: Option<Rope>,
    #[serde(default)]
    sliding_window: Option<u64>,
    /// Without it a window that is stated holds.
    #[serde(default = "yes")]
    use_sliding_window: bool,
    max_position_embeddings: u64,
}

#[derive(Deserialize)]
struct Rope {
    #[serde(default)]
    rope_theta: Option<f64>,
    #[serde(default, alias = "type")]
    rope_type: Option<String>,
}

fn yes() -> bool {
    true
}

impl Config {
    /// Whether some layer sees less than the whole context, which the probe's attention does not know.
    fn window(&self) -> Option<u64> {
        let window = self.sliding_window.filter(|_| self.use_sliding_window);
        window.filter(|&window| window < self.max_position_embeddings)
    }

    /// How positions are scaled.
    fn scaling(&self) -> Option<String> {
        let said = self.rope_scaling.as_ref().or(self.rope_parameters.as_ref())?;
        let unnamed = self.rope_scaling.as_ref().map(|_| "unnamed".to_owned());
        said.rope_type.clone().filter(|name| name != "default").or(unnamed)
    }
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
            rope_scaling: None,
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
        if let Some(window) = config.window() {
            anyhow::bail!(
                "`sliding_window` is {window}: attention that sees less than the context is not measured"
            );
        }
        let heads = config.num_attention_heads;
        let rope_scaling = config.scaling();
        let rope = config.rope_parameters.and_then(|rope| rope.rope_theta).or(config.rope_theta);
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
            rope_scaling,
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

    /// Checks that weights of four bits can be packed: each row of a layer's matrices is so many whole groups with a scale.
    ///
    /// # Errors
    /// When a row leaves a rest.
    pub(crate) fn check_packed(&self) -> anyhow::Result<()> {
        for (_, inner) in self.products() {
            anyhow::ensure!(
                inner % SCALE_GROUP == 0,
                "{}: a layer has rows of {inner} weights, which groups of {SCALE_GROUP} with a scale (`w4`) do not divide",
                self.name
            );
        }
        Ok(())
    }

    /// Columns and inner sizes of the products of a layer: queries, keys and values; attention's output; gate and up; down.
    pub(crate) fn products(&self) -> [(u64, u64); 4] {
        let q = self.heads * self.dim;
        let qkv = q + 2 * self.kv_heads * self.dim;
        [(qkv, self.hidden), (self.hidden, q), (2 * self.inter, self.hidden), (self.hidden, self.inter)]
    }

    /// Weights of the products of all layers: what each token of a prompt is multiplied by.
    pub(crate) fn layer_weights(&self) -> u64 {
        let layer: u64 = self.products().iter().map(|(columns, inner)| columns * inner).sum();
        layer * self.layers
    }

    /// Weights that a step reads: all layers, and the last matrix.
    pub(crate) fn weights(&self) -> u64 {
        self.layer_weights() + self.vocabulary * self.hidden
    }

    /// All parameters: also the norms, and the first matrix where it is one of its own.
    pub(crate) fn parameters(&self) -> u64 {
        let head_norms = if self.head_norms { 2 * self.dim } else { 0 };
        let norms = self.layers * (2 * self.hidden + head_norms) + self.hidden;
        let first = if self.tied { 0 } else { self.vocabulary * self.hidden };
        self.weights() + norms + first
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

    /// The sizes that Qwen publishes: 4,022,468,096 and 8,190,735,360 parameters; 147,456 bytes of keys and values a token.
    #[test]
    fn sizes_are_the_published_ones() {
        let (small, large) = (Shape::by_name("qwen3-4b").unwrap(), Shape::by_name("qwen3-8b").unwrap());
        assert_eq!(small.kv_bytes_per_token(), 147_456);
        assert_eq!([small.parameters(), large.parameters()], [4_022_468_096, 8_190_735_360]);
    }

    /// A window that is narrower than the context is another attention; scaled positions are only other angles.
    #[test]
    fn windows_are_refused_and_scaled_positions_said() {
        let read = |more: &str| {
            Shape::from_config("x", &CONFIG.replace("\"tie_word", &format!("{more},\"tie_word")))
        };
        let error = read(r#""sliding_window":4096"#).unwrap_err().to_string();
        assert!(error.starts_with("`sliding_window` is 4096"), "{error}");
        for unused in ["\"sliding_window\":null", "\"sliding_window\":40960"] {
            assert!(read(unused).is_ok(), "{unused}");
        }
        assert!(read(r#""sliding_window":4096,"use_sliding_window":false"#).is_ok());
        let scaling = |more: &str| read(more).unwrap().rope_scaling;
        assert_eq!(
            scaling(r#""rope_scaling":{"rope_type":"llama3","factor":8.0}"#).as_deref(),
            Some("llama3")
        );
        assert_eq!(scaling(r#""rope_scaling":{"type":"yarn"}"#).as_deref(), Some("yarn"));
        let default = r#""rope_parameters":{"rope_type":"default","rope_theta":5e5}"#;
        assert_eq!((scaling(default), read(default).unwrap().rope_base), (None, 5e5));
    }

    /// 9 heads of 64 are 4.5 groups; 10 are 5.
    #[test]
    fn rows_that_leave_a_rest_are_not_packed() {
        let shape = |heads| Shape {
            heads,
            kv_heads: 1,
            dim: 64,
            name: "Uneven".to_owned(),
            ..Shape::by_name("qwen3-4b").unwrap()
        };
        let error = shape(9).check_packed().unwrap_err().to_string();
        assert!(error.starts_with("Uneven: a layer has rows of 576 weights"), "{error}");
        assert!(shape(9).check().is_ok() && shape(10).check_packed().is_ok());
        for name in ["qwen3-4b", "qwen3-8b"] {
            assert!(Shape::by_name(name).unwrap().check_packed().is_ok(), "{name}");
        }
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
