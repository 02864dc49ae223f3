//! The runs behind the answer on memory: a search over the simulator for each share of the ceiling.

use super::Setup;
use super::capacity::{CapacityAdvice, CapacityFigures, Memory, SHARES, capacity};
use super::least_memory::{Tried, least_memory};
use crate::metrics::{Curve, PolicyMetrics, compare};
use crate::policy::{PolicyRun, Scenario, ScenarioError};

/// Runs a set-up in a scenario; nothing where it cannot be applied to the trace.
pub(super) type Runs<'a> = dyn FnMut(&Setup, &Scenario) -> Result<Option<PolicyRun>, ScenarioError> + 'a;

/// How much KV memory a replica of a set-up needs in a scenario; `curves` are of calls as admitted and of sessions one by
/// one. Without a cache nothing would be found, so it is turned on; a tier on the host is left out, since what does not fit
/// would lie there.
pub(super) fn capacity_of(
    setup: &Setup,
    given: &Scenario,
    curves: (&Curve, &Curve),
    memory: Memory,
    run: &mut Runs<'_>,
) -> Result<CapacityAdvice, ScenarioError> {
    let (admitted, one_by_one) = curves;
    let without_host = setup.host_kv_tokens.is_some();
    let setup = Setup { cache: true, host_kv_tokens: None, ..setup.clone() };
    let each = |share: f64| (share, admitted.kv_tokens_for(share) / u64::from(memory.replicas.max(1)));
    let (mut found, mut tried) = (Vec::new(), Vec::new());
    if admitted.ceiling_tokens() > 0 {
        let mut of = |kv_tokens: u64| {
            let scenario = Scenario { kv_tokens: Some(kv_tokens), ..given.clone() };
            Ok::<_, ScenarioError>(run(&setup, &scenario)?.and_then(|run| read(kv_tokens, &run)))
        };
        (found, tried) = least_memory(&SHARES.map(each), admitted.block_tokens, memory.kv_tokens, &mut of)?;
    }
    let name = setup.name();
    Ok(capacity(&CapacityFigures {
        admitted,
        one_by_one,
        memory,
        setup: &name,
        without_host,
        found: &found,
        tried: &tried,
    }))
}

fn read(kv_tokens: u64, run: &PolicyRun) -> Option<Tried> {
    let row = compare(std::slice::from_ref(run)).pop()?;
    let share = |row: &PolicyMetrics| Some(row.hit_rate? / row.ceiling_hit_rate.filter(|of| *of > 0.0)?);
    Some(Tried {
        kv_tokens,
        share_of_ceiling: share(&row).unwrap_or(0.0),
        failed: row.failed,
        enough: run.outcome.counters.evicted_blocks == 0 && row.rejected == 0,
    })
}
