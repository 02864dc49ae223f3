//! How long one step of an engine takes: a roofline basis with coefficients, in whole picoseconds.
//!
//! A step's cost is linear in what it does, so that a stretch of decode steps sums in closed form
//! and exactly. A [`Profile`] says what the coefficients are, either by shares of published peaks or
//! as fitted to times; [`fit`] fits them.

mod coefficients;
mod file;
pub mod fit;
mod fitted;
mod linear;
mod listed;
mod own;
mod profile;

pub use coefficients::{Coefficients, PS_PER_US, Ps, StepWork, Term, UsPer, pairs};
pub use file::ProfileError;
pub use listed::{LISTED, Listed, listed};
pub use own::OwnProfile;
pub use profile::{
    Compiled, Costs, Fitted, FittedFrom, Gpu, Model, OfPeak, Profile, ProfileOrigin, SCHEMA, Shares,
};

const BUNDLED: &[&str] = &[
    include_str!("../profiles/h200-qwen3-4b.json"),
    include_str!("../profiles/h200-qwen3-8b.json"),
    include_str!("../profiles/rtx3090-qwen3-4b-awq.json"),
    include_str!("../profiles/rtx3090-qwen3-8b-awq.json"),
];

/// All bundled profiles.
pub fn profiles() -> Vec<Profile> {
    BUNDLED.iter().filter_map(|text| serde_json::from_str(text).ok()).collect()
}

/// The accepted names, for help texts and errors.
pub fn known() -> String {
    let mut names: Vec<String> = profiles().into_iter().map(|profile| profile.name).collect();
    names.push("linear:A_MS,B_MS,C_MS".to_owned());
    names.join(", ")
}

/// The bundled profile of that name.
pub fn find(name: &str) -> Option<Profile> {
    profiles().into_iter().find(|profile| profile.name == name)
}

/// Looks a profile up by name, or reads `linear:a_ms,b_ms,c_ms`.
pub fn by_name(name: &str) -> Option<Compiled> {
    if let Some(numbers) = name.strip_prefix("linear:") {
        return linear::read(numbers);
    }
    find(name).map(|profile| profile.compile())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_profile_reads() {
        assert_eq!(profiles().len(), BUNDLED.len());
        for text in BUNDLED {
            let profile = Profile::from_json(text).unwrap();
            assert_eq!(profile.origin, ProfileOrigin::Estimated);
            assert_eq!(find(&profile.name).as_ref(), Some(&profile));
        }
    }

    /// By hand: 8.04 GB at three quarters of 4.8 TB/s is 2.2333 ms; with half a millisecond of
    /// overhead 2.7333 ms. The larger model: 16.38 GB are 4.55 ms, with the overhead 5.05 ms.
    #[test]
    fn h200_step_is_what_the_roofline_gives() {
        let compiled = by_name("h200-qwen3-4b").unwrap();
        assert_eq!(compiled.coefficients.step / PS_PER_US, 2_733);
        // 2 · 4.02e9 FLOPs at half of 990 TFLOP/s.
        assert_eq!(compiled.coefficients.prefill_token, 16_242_424);
        let larger = by_name("h200-qwen3-8b").unwrap();
        assert_eq!(larger.coefficients.step, 5_050_000_000);
        assert_eq!(larger.coefficients.prefill_token, 33_090_909);
        assert_eq!(larger.coefficients.kv_token, compiled.coefficients.kv_token, "same KV a token");
    }

    /// 6 GB at three quarters of 936 GB/s are 8.547 ms.
    #[test]
    fn rtx3090_step_is_what_the_roofline_gives() {
        let compiled = by_name("rtx3090-qwen3-8b-awq").unwrap();
        assert_eq!(compiled.coefficients.step / PS_PER_US, 9_047);
        assert_eq!(compiled.coefficients.kv_token, 210_051);
    }

    /// By hand: (141 GB · 0.9 − 16.38 GB) / 147,456 B = 749,511.7, and (24 GB · 0.9 − 6 GB) / 147,456 B =
    /// 105,794.3. The other two state a capacity of their own.
    #[test]
    fn capacities_follow_from_the_stated_share_of_memory() {
        let by_formula = [("h200-qwen3-8b", 749_511), ("rtx3090-qwen3-8b-awq", 105_794)];
        for (name, kv_tokens) in by_formula {
            let profile = find(name).unwrap();
            assert_eq!(profile.memory_share, Some(0.9), "{name}");
            assert_eq!(profile.kv_tokens_of_memory(), Some(kv_tokens), "{name}");
            assert_eq!(profile.kv_tokens, kv_tokens, "{name}");
        }
        for (name, kv_tokens) in [("h200-qwen3-4b", 800_000), ("rtx3090-qwen3-4b-awq", 144_000)] {
            let profile = find(name).unwrap();
            assert_eq!((profile.memory_share, profile.kv_tokens), (None, kv_tokens), "{name}");
        }
    }

    #[test]
    fn linear_refuses_what_is_no_number() {
        for bad in
            ["linear:1,2", "linear:1,2,x", "linear:1,2,-3", "linear:1,2,3,4", "linear:1,nan,2", "linear:"]
        {
            assert!(by_name(bad).is_none(), "{bad}");
        }
    }
}
