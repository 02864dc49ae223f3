//! Runs over prompts from a shelf are those that make their own.
#![allow(clippy::unwrap_used)]

mod common;

use atr_core::policy::{KeepAll, Prompts, PromptsKey, Scenario, Shelf, simulate, simulate_from};
use atr_core::trace::Session;
use common::agent;

/// Counts what had to be made.
#[derive(Default)]
struct Counting {
    kept: KeepAll,
    made: std::cell::Cell<u32>,
}

impl Shelf for Counting {
    fn prompts(&mut self, key: &PromptsKey, make: &dyn Fn() -> Prompts) -> Prompts {
        let made = &self.made;
        self.kept.prompts(key, &|| {
            made.set(made.get() + 1);
            make()
        })
    }
}

fn sessions() -> Vec<Session> {
    (0..3).map(|number| agent(&format!("s{number}"), 15 + number, 150, 800)).collect()
}

#[test]
fn prompts_are_made_once_for_whatever_they_depend_on() {
    let sessions = sessions();
    let mut shelf = Counting::default();
    let mut made_after = |scenario: Scenario| {
        let (resolved, runs) = simulate_from(&sessions, &scenario, &mut shelf).unwrap();
        let (own, own_runs) = simulate(&sessions, &scenario).unwrap();
        assert_eq!(resolved, own);
        for (run, own) in runs.iter().zip(&own_runs) {
            assert_eq!((&run.name, &run.outcome), (&own.name, &own.outcome));
            assert_eq!(run.workload, own.workload);
        }
        shelf.made.get()
    };
    // Raw and masked prompts.
    assert_eq!(made_after(Scenario::default()), 2);
    let no_change = Scenario { replicas: 3, kv_tokens: Some(4_096), seed: 9, ..Scenario::default() };
    assert_eq!(made_after(no_change), 2);
    assert_eq!(made_after(Scenario { block_tokens: Some(64), ..Scenario::default() }), 4);
    assert_eq!(made_after(Scenario { max_tokens: 7, ..Scenario::default() }), 6);
    assert_eq!(made_after(Scenario { share_system: true, ..Scenario::default() }), 8);
    // Only the policy that masks has another strategy.
    assert_eq!(made_after(Scenario { context: Some("masking:3".to_owned()), ..Scenario::default() }), 9);
    assert_eq!(made_after(Scenario::default()), 9);
}
