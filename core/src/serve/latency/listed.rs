//! The bundled profiles in a few words: what a page lists without carrying what reads their files.

use super::ProfileOrigin;

/// What a reader is told of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Name on the command line.
    pub name: &'static str,
    /// Name for readers.
    pub title: &'static str,
    /// `estimated`, `exact`, `probed` or `calibrated`.
    pub origin: ProfileOrigin,
    /// Where the coefficients come from.
    pub source: &'static str,
    /// KV capacity of one replica.
    pub kv_tokens: u64,
}

/// All bundled profiles, as their files say it.
pub const LISTED: &[Listed] = &[
    Listed {
        name: "h200-qwen3-4b",
        title: "H200, Qwen3-4B in bf16",
        origin: ProfileOrigin::Estimated,
        source: "published peaks of the card and shape of the model; shares of peak and the overhead of a step are assumptions, not fitted",
        kv_tokens: 800_000,
    },
    Listed {
        name: "h200-qwen3-8b",
        title: "H200, Qwen3-8B in bf16",
        origin: ProfileOrigin::Estimated,
        source: "peaks by NVIDIA's data sheet, shape by the configuration that Qwen publishes; shares of peak and the overhead of a step are assumptions, not fitted; KV capacity: (memory × 0.9 − weights) / KV bytes a token",
        kv_tokens: 749_511,
    },
    Listed {
        name: "rtx3090-qwen3-4b-awq",
        title: "RTX 3090, Qwen3-4B in 4 bits (AWQ)",
        origin: ProfileOrigin::Estimated,
        source: "published peaks of the card and shape of the model; shares of peak and the overhead of a step are assumptions, not fitted",
        kv_tokens: 144_000,
    },
    Listed {
        name: "rtx3090-qwen3-8b-awq",
        title: "RTX 3090, Qwen3-8B in 4 bits (AWQ)",
        origin: ProfileOrigin::Estimated,
        source: "peaks by NVIDIA's data sheet, shape by the configuration that Qwen publishes; shares of peak and the overhead of a step are assumptions, not fitted; KV capacity: (memory × 0.9 − weights) / KV bytes a token; 6 GB of weights is an estimate",
        kv_tokens: 105_794,
    },
];

/// The profile of that name.
pub fn listed(name: &str) -> Option<&'static Listed> {
    LISTED.iter().find(|profile| profile.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::latency::{Profile, profiles};

    #[test]
    fn the_list_says_what_the_files_say() {
        assert_eq!(LISTED.len(), profiles().len());
        for (listed, profile) in LISTED.iter().zip(profiles()) {
            let said = (listed.name, listed.title, listed.origin, listed.source, listed.kv_tokens);
            let Profile { name, title, origin, source, kv_tokens, .. } = &profile;
            assert_eq!(said, (name.as_str(), title.as_str(), *origin, source.as_str(), *kv_tokens));
        }
    }
}
