//! How close one set of sessions comes to another in shape: for each quantity that decides what serving
//! costs, both distributions and the Kolmogorov-Smirnov distance between them.

use super::shapes::{Samples, SessionShare, Shapes, Variable};
use super::{Distribution, ks_distance, rounded};
use crate::context::{BuildOptions, Raw, build};
use crate::serve::{Ceiling, PrefixTree};
use crate::trace::{Mark, Session};
use serde::{Deserialize, Serialize};

/// Tokens in a block of the ceiling that sets are compared by: that of the coarsest agent source.
pub const FIT_BLOCK_TOKENS: u32 = 64;
/// Name of the row of a session's ceiling: what an endless cache of its own would find of its prompts.
pub const CEILING: &str = "session_ceiling_hit_rate";

/// One quantity in both sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitRow {
    /// Which quantity: the name of a [`Variable`], or [`CEILING`].
    pub name: String,
    /// In the real set; null where it has none.
    pub real: Option<Distribution>,
    /// In the synthetic set; null where it has none.
    pub synthetic: Option<Distribution>,
    /// Largest difference of the two empirical distribution functions; null where a side is empty.
    pub ks: Option<f64>,
}

/// How many sessions of both sets have something.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitShare {
    /// What.
    pub name: SessionShare,
    /// In the real set; null where it has no session.
    pub real: Option<f64>,
    /// In the synthetic set; null where it has no session.
    pub synthetic: Option<f64>,
    /// The synthetic share less the real one; null where a side has none.
    pub difference: Option<f64>,
}

/// Two sets, compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// One row a quantity.
    pub rows: Vec<FitRow>,
    /// One row a share of sessions, which has no distribution.
    pub shares: Vec<FitShare>,
}

/// Compares the shapes of two sets.
pub fn fit(real: &[Session], synthetic: &[Session]) -> Fit {
    let samples = (Samples::of(real), Samples::of(synthetic));
    let row = |name: String, real: &[f64], synthetic: &[f64]| FitRow {
        name,
        real: Distribution::of(real),
        synthetic: Distribution::of(synthetic),
        ks: ks_distance(real, synthetic),
    };
    let name = |variable: Variable| match serde_json::to_value(variable) {
        Ok(serde_json::Value::String(name)) => name,
        _ => variable.title().to_owned(),
    };
    let mut rows: Vec<FitRow> = Variable::ALL
        .map(|variable| row(name(variable), samples.0.values(variable), samples.1.values(variable)))
        .into();
    rows.push(row(CEILING.to_owned(), &ceilings(real), &ceilings(synthetic)));
    Fit { rows, shares: shares(real, synthetic) }
}

fn shares(real: &[Session], synthetic: &[Session]) -> Vec<FitShare> {
    let shapes = |sessions: &[Session]| Shapes::of(&sessions.iter().collect::<Vec<_>>());
    let (real, synthetic) = (shapes(real), shapes(synthetic));
    let row = |name: SessionShare| {
        let (real, synthetic) = (name.of(&real), name.of(&synthetic));
        let difference = real.zip(synthetic).map(|(real, synthetic)| rounded(synthetic - real));
        FitShare { name, real, synthetic, difference }
    };
    SessionShare::ALL.map(row).into()
}

fn ceilings(sessions: &[Session]) -> Vec<f64> {
    let counted =
        sessions.iter().filter(|session| !session.has(Mark::Duplicate) && session.turns().is_some());
    counted.filter_map(ceiling_hit_rate).collect()
}

/// What an endless cache of the session's own would find of its prompts. Replies do not count, since a
/// source of blocks does not give them.
fn ceiling_hit_rate(session: &Session) -> Option<f64> {
    let one = std::slice::from_ref(session);
    let work = build(one, &Raw, &BuildOptions { max_tokens: 1, share_system: false });
    let tree = PrefixTree::build(&work, session.block_tokens.unwrap_or(0).max(FIT_BLOCK_TOKENS));
    let mut seen = Ceiling::new(&tree);
    let (mut hit, mut all) = (0u64, 0u64);
    for call in &work.calls {
        let node = tree.prompt(call.id);
        let tokens = u64::from(seen.longest(node)) * u64::from(tree.block_tokens());
        hit += tokens.min(call.prompt_tokens.into());
        all += u64::from(call.prompt_tokens);
        seen.add(node, u32::MAX);
    }
    (all > 0).then(|| hit as f64 / all as f64)
}
