//! Figures that others published: quoted, never compared as if they were ours.

use super::{Body, Kind};
use serde::{Deserialize, Serialize};

/// Published figures of one source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Who published them, and where.
    pub source: String,
    /// The set-up as the source gives it.
    pub setup: String,
    /// What a prefix cache saved there.
    pub cuts: Vec<PublishedCut>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// Mean time to first token without and with prefix reuse, on one engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishedCut {
    /// The engine and its version.
    pub engine: String,
    /// Without prefix reuse.
    pub naive_ttft_ms: f64,
    /// With a shared prefix cache.
    pub shared_prefix_ttft_ms: f64,
    /// The cut as the source gives it.
    pub cut_percent: f64,
    /// The cut computed from the two rounded times.
    pub cut_percent_from_times: f64,
}

impl Body for Published {
    const KIND: Kind = Kind::Published;
}

impl PublishedCut {
    /// A quoted pair; the cut that the rounded times give is computed here.
    pub fn new(engine: &str, naive_ttft_ms: f64, shared_prefix_ttft_ms: f64, cut_percent: f64) -> Self {
        let cut = (1.0 - shared_prefix_ttft_ms / naive_ttft_ms) * 100.0;
        PublishedCut {
            engine: engine.to_owned(),
            naive_ttft_ms,
            shared_prefix_ttft_ms,
            cut_percent,
            cut_percent_from_times: libm::round(cut * 100.0) / 100.0,
        }
    }
}

impl Published {
    /// What the original project published about its prefix cache.
    pub fn original_project() -> Self {
        Published {
            source: "the original Agent Trace Runtime project, its published results".to_owned(),
            setup: "Qwen3-4B-AWQ on one RTX 3090, 40 SWE-bench Verified prompts; mean time to first token"
                .to_owned(),
            cuts: vec![
                PublishedCut::new("vLLM 0.21.0", 644.0, 198.0, 69.33),
                PublishedCut::new("SGLang 0.5.9", 976.0, 133.0, 86.38),
            ],
            notes: vec![
                "Quoted, not measured here.".to_owned(),
                "The source gives times rounded to milliseconds, so that its own cut and the cut that follows \
                 from these times differ in the last digits."
                    .to_owned(),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Published;

    #[test]
    fn the_cuts_agree_with_the_times_to_the_rounding() {
        for cut in Published::original_project().cuts {
            assert!((cut.cut_percent - cut.cut_percent_from_times).abs() < 0.15, "{cut:?}");
        }
        let cuts = Published::original_project().cuts;
        assert_eq!(cuts[0].cut_percent_from_times, 69.25);
        assert_eq!(cuts[1].cut_percent_from_times, 86.37);
    }
}
