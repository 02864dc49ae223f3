//! A model's shape: what of it decides what its steps compute.

use crate::gpu::op::SCALE_GROUP;
use atr_core::figure::units;
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
    /// Numbers that a layer adds to its products: counted and said, not added.
    #[serde(default)]
    pub(crate) biases: u64,
    /// How the model's own weights are packed, where they are: said, not followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) packing: Option<String>,
}

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
            biases: 0,
            packing: None,
        };
        match name.to_ascii_lowercase().as_str() {
            "qwen3-4b" => Some(qwen3("Qwen3-4B", 2_560, 9_728, true)),
            "qwen3-8b" => Some(qwen3("Qwen3-8B", 4_096, 12_288, false)),
            _ => None,
        }
    }

    /// Checks that the sizes are some that kernels know.
    ///
    /// # Errors
    /// When one is not.
    pub(super) fn check(&self) -> anyhow::Result<()> {
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

    /// All parameters: also the norms, biases, and the first matrix where it is one of its own.
    pub(crate) fn parameters(&self) -> u64 {
        let head_norms = if self.head_norms { 2 * self.dim } else { 0 };
        let norms = self.layers * (2 * self.hidden + head_norms) + self.hidden;
        let first = if self.tied { 0 } else { self.vocabulary * self.hidden };
        self.weights() + norms + self.layers * self.biases + first
    }

    /// What of the model a probe does not do, in sentences.
    pub(crate) fn aside(&self) -> Vec<String> {
        let scaling = self.rope_scaling.as_ref().map(|scaling| {
            format!(
                "The model scales rotary positions (`{scaling}`), the probe does not: no time depends on it."
            )
        });
        let biases = (self.biases > 0).then(|| {
            let (all, weights) = (self.layers * self.biases, self.weights());
            format!(
                "The model adds {} biases to the products of its layers, the probe does not: they are {} of the weights that a \
                 step reads.",
                units::grouped(all),
                units::percent(Some(all as f64 / weights as f64))
            )
        });
        let packing = self.packing.as_ref().map(|method| {
            format!(
                "The model's file has a `quantization_config` (`{method}`), which the probe does not follow: its weights are as \
                 `--dtype` says."
            )
        });
        [scaling, biases, packing].into_iter().flatten().collect()
    }

    /// Bytes of keys and values a token, over all layers, with numbers of two bytes.
    pub(crate) fn kv_bytes_per_token(&self) -> u64 {
        self.layers * self.kv_heads * self.dim * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes that Qwen publishes: 4,022,468,096 and 8,190,735,360 parameters; 147,456 bytes of keys and values a token.
    #[test]
    fn sizes_are_the_published_ones() {
        let (small, large) = (Shape::by_name("qwen3-4b").unwrap(), Shape::by_name("qwen3-8b").unwrap());
        assert_eq!(small.kv_bytes_per_token(), 147_456);
        assert_eq!([small.parameters(), large.parameters()], [4_022_468_096, 8_190_735_360]);
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
}
