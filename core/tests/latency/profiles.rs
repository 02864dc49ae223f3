//! Profiles that people bring, and what a fit writes.

use crate::{agents, run, scenario};
use atr_core::policy::{Scenario, ScenarioError, simulate};
use atr_core::serve::latency::fit::{Fit, FitOptions, fit, observe};
use atr_core::serve::latency::{Costs, FittedFrom, Profile, ProfileOrigin, Term, by_name, find};

fn fitted_to(profile: &str) -> Fit {
    let run = run(&agents(), &scenario(profile));
    let observed = observe(&run.workload, &run.outcome, 512).unwrap();
    fit(&observed.points, &FitOptions { held: vec![(Term::Prompt, 0.0)], ..FitOptions::default() }).unwrap()
}

fn measured() -> FittedFrom {
    let said = |text: &str| Some(text.to_owned());
    FittedFrom {
        command: "atr-bench calibrate".to_owned(),
        machine: said("one H200"),
        date: said("2026-01-02"),
    }
}

/// The costs of a simulation are known: they must come back as the shares that they were made from.
#[test]
fn a_written_profile_reads_as_it_was_and_says_its_shares() {
    let base = find("rtx3090-qwen3-8b-awq").unwrap();
    let from = FittedFrom { command: "test".to_owned(), ..FittedFrom::default() };
    let made = base.fitted("mine", fitted_to(&base.name), ProfileOrigin::Simulated, from);
    let text = serde_json::to_string_pretty(&made).unwrap();
    let read = Profile::from_json(&text).unwrap();
    assert_eq!(read, made);
    assert_eq!(read.compile().origin, ProfileOrigin::Simulated);
    assert_eq!((read.kv_tokens, &read.gpu, &read.model), (base.kv_tokens, &base.gpu, &base.model));
    let Costs::Fitted(fitted) = &read.costs else { panic!("fitted") };
    assert_eq!(fitted.us_per.coefficients(), read.compile().coefficients);
    let close = |found: Option<f64>, truth: f64| {
        assert!((found.unwrap() / truth - 1.0).abs() < 0.01, "{found:?} {truth}");
    };
    close(fitted.of_peak.prefill_compute, 0.5);
    close(fitted.of_peak.attention_compute, 0.5);
    close(fitted.of_peak.kv_bandwidth, 0.75);
    // 8.547 of the step's 9.047 ms are the weights at three quarters; all of it would be 0.75 · 8.547 / 9.047.
    close(fitted.of_peak.weights_bandwidth, 0.75 * 8.547 / 9.047);
    assert!(fitted.terms[Term::Prompt as usize].held && !fitted.terms[0].held);
}

/// Where it was timed is part of what was measured, and means nothing for what was not.
#[test]
fn origin_and_machine_go_together() {
    let base = find("h200-qwen3-4b").unwrap();
    let read = |origin, from| {
        let made = base.fitted("mine", fitted_to("h200-qwen3-4b"), origin, from);
        Profile::from_json(&serde_json::to_string(&made).unwrap()).map_err(|error| error.to_string())
    };
    for origin in [ProfileOrigin::Calibrated, ProfileOrigin::Probed] {
        assert_eq!(read(origin, measured()).unwrap().origin, origin);
        let said = read(origin, FittedFrom { machine: None, ..measured() }).unwrap_err();
        assert!(said.starts_with("`costs.fitted.from.machine` is missing"), "{said}");
        let said = read(origin, FittedFrom { date: None, ..measured() }).unwrap_err();
        assert!(said.starts_with("`costs.fitted.from.date` is missing"), "{said}");
    }
    let said = read(ProfileOrigin::Simulated, measured()).unwrap_err();
    assert_eq!(said, "`costs.fitted.from.machine` is `one H200`, expected nothing, as no hardware was timed");
    let said =
        read(ProfileOrigin::Estimated, FittedFrom { command: "x".to_owned(), ..FittedFrom::default() });
    assert!(said.unwrap_err().contains("expected `probed`, `calibrated` or `simulated`"));
}

#[test]
fn wrong_parts_of_a_fit_are_named() {
    let base = find("h200-qwen3-4b").unwrap();
    let made = base.fitted("mine", fitted_to("h200-qwen3-4b"), ProfileOrigin::Calibrated, measured());
    let good = serde_json::to_value(&made).unwrap();
    for (pointer, value, said) in [
        (
            "/costs/fitted/us_per/step",
            serde_json::json!(-1.0),
            "`costs.fitted.us_per.step` is -1.0, expected a number from 0 on",
        ),
        ("/costs/fitted/points", serde_json::json!(0), "`costs.fitted.points` is 0"),
        (
            "/costs/fitted/terms",
            serde_json::json!([]),
            "`costs.fitted.terms` is [], expected a list with one entry for each of",
        ),
        (
            "/costs/fitted/terms/1/term",
            serde_json::json!("prompt"),
            "`costs.fitted.terms[1].term` is `prompt`",
        ),
        ("/costs/fitted/terms/1/term", serde_json::json!("speed"), "unknown variant `speed`"),
        ("/costs/fitted/from/command", serde_json::json!(""), "`costs.fitted.from.command`"),
        ("/costs/fitted/held_out/points", serde_json::json!(null), "`costs.fitted.held_out.points`"),
    ] {
        let mut file = good.clone();
        *file.pointer_mut(pointer).unwrap() = value;
        let error = Profile::from_json(&file.to_string()).unwrap_err().to_string();
        assert!(error.contains(said), "{pointer}: {error}");
    }
}

#[test]
fn a_scenario_can_bring_its_own_profile() {
    let own = Profile { name: "mine".to_owned(), ..find("rtx3090-qwen3-4b-awq").unwrap() };
    let mine = Scenario {
        profile: "mine".to_owned(),
        own_profile: Some((&own).into()),
        ..scenario("h200-qwen3-4b")
    };
    let (resolved, runs) = simulate(&agents(), &mine).unwrap();
    assert_eq!(runs[0].outcome, run(&agents(), &scenario("rtx3090-qwen3-4b-awq")).outcome);
    assert_eq!((resolved.profile_origin.as_str(), resolved.scenario.kv_tokens), ("estimated", Some(144_000)));
    // The result holds all that it takes to run it again.
    let text = serde_json::to_string(&resolved.scenario).unwrap();
    assert_eq!(serde_json::from_str::<Scenario>(&text).unwrap(), resolved.scenario);
    let plain = serde_json::to_string(&scenario("h200-qwen3-4b")).unwrap();
    assert!(!plain.contains("own_profile"), "{plain}");
    // A profile that the scenario does not name is not used.
    let other = Scenario { profile: "h200-qwen3-8b".to_owned(), ..mine.clone() };
    let compiled = by_name("h200-qwen3-8b").unwrap();
    assert_eq!(simulate(&agents(), &other).unwrap().0.scenario.kv_tokens, Some(compiled.kv_tokens));
    let unknown = Scenario { profile: "yours".to_owned(), ..mine };
    assert!(matches!(simulate(&agents(), &unknown), Err(ScenarioError::Unknown { what: "profile", .. })));
}
