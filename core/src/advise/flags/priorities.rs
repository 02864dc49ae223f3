//! Orders of admission: an engine follows one of its own where a client or a gateway sends it as priorities.

use super::{Component, Flag, LLAMA, SGLANG, VLLM, cannot, flag};
use crate::advise::Setup;
use crate::choice::{Choice, choose};
use crate::policy::Scenario;
use crate::serve::schedule::SCHEDULERS;

/// What is sent as the priority of a call.
fn sent(scheduler: &str) -> Option<&'static str> {
    match scheduler {
        "shortest" => Some("its predicted output"),
        "program-fcfs" => Some("when its session began"),
        "plas" => Some("the tokens that its session was served so far"),
        "priority" => Some("its own"),
        _ => None,
    }
}

/// Whether an order needs no flags, or can be sent.
pub(super) fn is_sent(scheduler: &str) -> bool {
    choose(SCHEDULERS, scheduler).is_ok_and(|choice| choice.name() == "fcfs" || sent(choice.name()).is_some())
}

/// Those of an engine, and what it does not have of the order that was simulated.
pub(super) fn orders(engine: Component, setup: &Setup, scenario: &Scenario) -> Vec<Flag> {
    let named = setup.scheduler.as_deref().or(setup.predict.then_some("shortest"));
    let choice = named.and_then(|name| choose(SCHEDULERS, name).ok());
    let mut all = Vec::new();
    if let Some((choice, what)) = choice.and_then(|choice| sent(choice.name()).map(|what| (choice, what))) {
        all.extend(priorities(engine, &choice, what));
    }
    if setup.predict {
        let predictor = scenario.predictor.as_deref().unwrap_or("as simulated");
        all.push(cannot(
            engine,
            format!("room is reserved for the output that is predicted (predictor: {predictor}); the engine takes room as it goes"),
        ));
    } else if scenario.reserve {
        let what =
            "room is reserved for all of the output that is asked for; the engine takes room as it goes";
        all.push(cannot(engine, what));
    }
    all
}

fn priorities(engine: Component, choice: &Choice, what: &str) -> Vec<Flag> {
    let why = format!("the client or a gateway sends each call's priority: {what}; lower goes first");
    let mut all = match engine {
        VLLM => vec![flag(engine, "--scheduling-policy priority", why)],
        SGLANG => {
            vec![flag(engine, "--enable-priority-scheduling --schedule-low-priority-values-first", why)]
        }
        _ => {
            return vec![cannot(
                LLAMA,
                format!("the order `{}`; its server has no priorities", choice.text()),
            )];
        }
    };
    let overtaken = choice.get("overtaken");
    // So many is the preset of an engine without a guard.
    if overtaken < 1e15 {
        let what = format!(
            "`overtaken` = {overtaken}: a call that so many later ones overtook goes next; priorities have no such guard \
             against starvation"
        );
        all.push(cannot(engine, what));
    }
    if engine == SGLANG {
        let what = "running calls stay; it throws them out for a call whose priority is better by its \
                    `--priority-scheduling-preemption-threshold` (10)";
        all.push(cannot(engine, what));
    }
    all
}
