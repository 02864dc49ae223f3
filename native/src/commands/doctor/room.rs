//! Memory that a probe's models take, against what GPUs have free.

use super::gb;
use crate::probe::room::held_bytes;
use crate::probe::shape::Shape;
use crate::probe::step::Weights;
use serde::Serialize;

/// The models that come along.
const MODELS: [&str; 2] = ["qwen3-4b", "qwen3-8b"];

/// What a model's weights take of the memory: the least that a probe of it needs, without what a step computes and pages of KV.
#[derive(Serialize)]
pub(super) struct Weighed {
    name: &'static str,
    bf16_bytes: u64,
    w4_bytes: u64,
}

impl Weighed {
    pub(super) fn readable(&self) -> String {
        let Weighed { name, bf16_bytes, w4_bytes } = self;
        format!("{name} {} in bf16, {} in w4", gb(*bf16_bytes), gb(*w4_bytes))
    }
}

/// Of all models that come along.
pub(super) fn weights() -> Vec<Weighed> {
    let one = |name| {
        let shape = Shape::by_name(name)?;
        let bytes = |weights| held_bytes(&shape, weights).ceil() as u64;
        Some(Weighed { name, bf16_bytes: bytes(Weights::Half), w4_bytes: bytes(Weights::Four) })
    };
    MODELS.into_iter().filter_map(one).collect()
}

/// Memory that is free, as `nvidia-smi` says it in MiB without the unit.
pub(super) fn free_bytes(said: &str) -> Option<u64> {
    said.trim().parse::<u64>().ok().map(|mib| mib << 20)
}

/// Which weights a GPU has memory for.
pub(super) fn readable(models: &[Weighed], memory_bytes: u64, free_bytes: Option<u64>) -> String {
    let (bytes, what) = match free_bytes {
        Some(bytes) => (bytes, format!("free {}", gb(bytes))),
        None => (memory_bytes, "free memory unknown, by all of it".to_owned()),
    };
    let sizes = models
        .iter()
        .flat_map(|model| [(model.name, "bf16", model.bf16_bytes), (model.name, "w4", model.w4_bytes)]);
    let (fit, large): (Vec<_>, Vec<_>) = sizes.partition(|(_, _, size)| *size < bytes);
    let list = |sizes: Vec<(&str, &str, u64)>| {
        let each = sizes.iter().map(|(name, dtype, _)| format!("{name} in {dtype}"));
        if sizes.is_empty() { "none".to_owned() } else { each.collect::<Vec<String>>().join(", ") }
    };
    format!("{what}: room for the weights of {}; too large: {}", list(fit), list(large))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 2 · 4,022,468,096 and 2 · 8,190,735,360 bytes. In four bits layers take 0.5 + 2/128 bytes a weight, all else
    /// two: 3,633,315,840 · 0.515625 + 2 · 389,152,256, and 6,945,767,424 · 0.515625 + 2 · 1,244,967,936.
    #[test]
    fn weights_take_what_their_numbers_take() {
        let sizes: Vec<_> = weights().iter().map(|model| (model.bf16_bytes, model.w4_bytes)).collect();
        assert_eq!(sizes, [(8_044_936_192, 2_651_732_992), (16_381_470_720, 6_071_347_200)]);
    }

    #[test]
    fn cards_have_room_for_what_is_smaller() {
        let models = weights();
        let said = readable(&models, 24 << 30, free_bytes("7629"));
        assert_eq!(
            said,
            "free 8.0 GB: room for the weights of qwen3-4b in w4, qwen3-8b in w4; too large: qwen3-4b in bf16, qwen3-8b in bf16"
        );
        assert!(readable(&models, 24 << 30, None).ends_with("too large: none"));
        assert!(
            readable(&models, 1 << 30, None)
                .starts_with("free memory unknown, by all of it: room for the weights of none;")
        );
        assert_eq!((free_bytes("142000 "), free_bytes("[N/A]")), (Some(142_000 << 20), None));
    }
}
