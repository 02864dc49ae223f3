//! Coefficients that are known are found again.

use crate::common::agent;
use crate::{agents, assert_found, run, scenario};
use atr_core::metrics::compare;
use atr_core::policy::{Arrivals, Scenario};
use atr_core::serve::latency::fit::{FitError, FitOptions, Point, fit, observe};
use atr_core::serve::latency::{self, FittedFrom, ProfileOrigin, StepWork, Term, UsPer, find, pairs};
use atr_core::synth::Chance;
use atr_core::trace::Session;

/// Enough that what a call adds to a step, a few microseconds, stands out of times in whole microseconds.
fn many() -> Vec<Session> {
    let shape = |n: u32| agent(&n.to_string(), 5 + n % 7, 60 + 37 * (n % 5), 200 + 110 * (n % 11));
    (0..60).map(shape).collect()
}

/// A roofline profile has no term for prompts.
fn held() -> FitOptions {
    FitOptions { held: vec![(Term::Prompt, 0.0)], ..FitOptions::default() }
}

#[test]
fn a_simulation_gives_its_coefficients_back() {
    for profile in ["h200-qwen3-4b", "h200-qwen3-8b", "rtx3090-qwen3-4b-awq", "rtx3090-qwen3-8b-awq"] {
        let run = run(
            &many(),
            &Scenario { arrivals: Some(Arrivals::Concurrency { sessions: 16 }), ..scenario(profile) },
        );
        let observed = observe(&run.workload, &run.outcome, 512).unwrap();
        assert!(observed.prefills > 30 && observed.decodes > 100, "{observed:?}");
        let fitted = fit(&observed.points, &held()).unwrap();
        assert_found(&fitted.us_per, &latency::by_name(profile).unwrap().coefficients.into(), 0.01);
        assert!(fitted.r2.unwrap() > 0.999_99 && fitted.residuals.max < 0.001, "{fitted:?}");
        assert!(fitted.held_out.unwrap().errors.max < 0.001, "{fitted:?}");
    }
}

/// One call at a time, without curves: only calls that were alone are left, which is enough.
#[test]
fn calls_that_were_alone_are_enough() {
    let alone = Scenario {
        arrivals: Some(Arrivals::Concurrency { sessions: 1 }),
        curves: false,
        ..scenario("rtx3090-qwen3-4b-awq")
    };
    let run = run(&agents(), &alone);
    let observed = observe(&run.workload, &run.outcome, 512).unwrap();
    assert_eq!(observed.alone, observed.points.len() as u64);
    assert_eq!(observed.points.len(), 2 * run.outcome.calls.len(), "every call's prefill and its decoding");
    let fitted = fit(&observed.points, &held()).unwrap();
    assert_found(
        &fitted.us_per,
        &latency::by_name("rtx3090-qwen3-4b-awq").unwrap().coefficients.into(),
        0.01,
    );
}

/// By definition 10 ms a prompt, 0.5 ms a computed token, 2 ms a further one, nothing else; every term is free.
#[test]
fn a_linear_profile_comes_back_with_zeros_where_it_has_none() {
    let linear = Scenario { max_batch: 1, ..scenario("linear:10,0.5,2") };
    let run = run(&agents(), &linear);
    let observed = observe(&run.workload, &run.outcome, 512).unwrap();
    let fitted = fit(&observed.points, &FitOptions::default()).unwrap();
    let truth = UsPer { prompt: 10_000.0, prefill_token: 500.0, sequence: 2_000.0, ..UsPer::default() };
    assert_found(&fitted.us_per, &truth, 1e-4);
}

/// Random steps as a probe would time them.
fn probed(us_per: &UsPer, count: usize, noise: f64) -> (Vec<Point>, Vec<f64>) {
    let mut chance = Chance::new(11);
    let mut below = |most: u64| chance.bits() % most;
    let mut works: Vec<StepWork> = Vec::new();
    for _ in 0..count {
        let (decoding, new, cached) = (below(64), below(3) * below(4_096), below(60_000));
        let prompts = u64::from(new > 0) + u64::from(new > 2_000);
        let kv_tokens = decoding * below(20_000);
        works.push(StepWork {
            decoding,
            kv_tokens,
            prefill_tokens: new,
            pairs: pairs(new, cached),
            prompts,
            ..StepWork::default()
        });
    }
    let mut chance = Chance::new(12);
    let truth: Vec<f64> = works.iter().map(|work| Point::step(work, 1.0).predicted_us(us_per)).collect();
    let noisy = works
        .iter()
        .zip(&truth)
        .map(|(work, us)| Point::step(work, us * (1.0 + noise * chance.normal())))
        .collect();
    (noisy, truth)
}

const TRUTH: UsPer = UsPer {
    step: 4_000.0,
    sequence: 12.0,
    kv_token: 0.05,
    prefill_token: 60.0,
    attention_pair: 0.004,
    prompt: 900.0,
};

#[test]
fn single_steps_give_all_six_terms() {
    let (points, _) = probed(&TRUTH, 60, 0.0);
    assert_found(&fit(&points, &FitOptions::default()).unwrap().us_per, &TRUTH, 1e-9);
}

/// Five per cent of normal noise: what was not seen is predicted with less, the truth with far less, and the truth
/// lies within some standard errors.
#[test]
fn noise_is_averaged_out() {
    let (points, truth) = probed(&TRUTH, 600, 0.05);
    let fitted = fit(&points, &FitOptions::default()).unwrap();
    let held_out = fitted.held_out.unwrap();
    assert_eq!(held_out.points, 120);
    assert!(held_out.errors.mean > 0.02 && held_out.errors.mean < 0.05, "{held_out:?}");
    let off = |(point, truth): (&Point, &f64)| (point.predicted_us(&fitted.us_per) / truth - 1.0).abs();
    let off: Vec<f64> = points.iter().zip(&truth).map(off).collect();
    assert!(off.iter().sum::<f64>() / 600.0 < 0.01 && off.iter().all(|&off| off < 0.04), "{off:?}");
    for ((term, found), truth) in fitted.terms.iter().zip(fitted.us_per.values()).zip(TRUTH.values()) {
        let error = term.standard_error_us.unwrap();
        assert!((found - truth).abs() < 4.0 * error, "{term:?}: {found} is not {truth}");
        assert!(error < 0.5 * truth, "{term:?}");
    }
    assert_eq!(fit(&points, &FitOptions::default()).unwrap(), fitted, "the same again");
    let other = fit(&points, &FitOptions { seed: 2, ..FitOptions::default() }).unwrap();
    assert_eq!(other.us_per, fitted.us_per, "the seed decides only what is held out");
    assert_ne!(other.held_out, fitted.held_out);
}

/// Standard errors against the spread of estimates over many draws of the noise: by definition the same.
#[test]
fn standard_errors_are_the_spread_of_estimates() {
    let (clean, _) = probed(&TRUTH, 120, 0.0);
    let mut chance = Chance::new(5);
    let mut draw = || {
        let noisy =
            clean.iter().map(|point| Point { us: point.us * (1.0 + 0.03 * chance.normal()), ..*point });
        fit(&noisy.collect::<Vec<_>>(), &FitOptions { held_out_share: 0.0, ..FitOptions::default() }).unwrap()
    };
    let fits: Vec<_> = (0..200).map(|_| draw()).collect();
    for term in [Term::Step, Term::PrefillToken, Term::KvToken] {
        let values: Vec<f64> = fits.iter().map(|fit| fit.us_per.values()[term as usize]).collect();
        let mean = values.iter().sum::<f64>() / 200.0;
        let spread = (values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / 199.0).sqrt();
        let said =
            fits.iter().filter_map(|fit| fit.terms[term as usize].standard_error_us).sum::<f64>() / 200.0;
        assert!((said / spread - 1.0).abs() < 0.2, "{term:?}: {said} is said, {spread} is found");
    }
}

fn refused(points: &[Point], held: &[(Term, f64)]) -> String {
    let options = FitOptions { held: held.to_vec(), ..FitOptions::default() };
    fit(points, &options).unwrap_err().to_string()
}

#[test]
fn what_the_data_cannot_tell_is_refused_by_name() {
    let decode =
        |calls, kv| Point::step(&StepWork { decoding: calls, kv_tokens: kv, ..StepWork::default() }, 3_000.0);
    let always_two: Vec<Point> = (0..20).map(|n| decode(2, 1_000 * n)).collect();
    let no_prefill = [(Term::PrefillToken, 1.0), (Term::AttentionPair, 1e-3), (Term::Prompt, 0.0)];
    assert_eq!(
        refused(&always_two, &no_prefill),
        "the data cannot tell `sequence` from `step`: they change together; hold one of them at a value, or add data \
         that tells them apart"
    );
    assert!(refused(&always_two, &no_prefill[..2]).starts_with("no time has any `prompt` in it"));
    // KV in proportion to the calls.
    let in_proportion: Vec<Point> = (1..20).map(|n| decode(n, 500 * n)).collect();
    assert!(refused(&in_proportion, &no_prefill).contains("cannot tell `kv_token` from `sequence`:"));
    assert!(refused(&always_two[..3], &no_prefill).starts_with("3 times to fit to, expected at least 6"));
    assert!(refused(&[], &no_prefill).starts_with("0 times"));
    let held_sequence = [&no_prefill[..], &[(Term::Sequence, 2.0)]].concat();
    assert!(fit(&always_two, &FitOptions { held: held_sequence, ..FitOptions::default() }).is_ok());
}

#[test]
fn numbers_that_no_measurement_gives_are_refused() {
    let (mut points, _) = probed(&TRUTH, 40, 0.0);
    for (us, shown) in [(0.0, "0"), (-1.0, "-1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        points[7].us = us;
        let said = refused(&points, &[]);
        assert_eq!(said, format!("point 7: `us` is {shown}, expected a finite number above 0"));
    }
    points[7].us = 1.0;
    points[3].kv_tokens = -2.0;
    assert!(refused(&points, &[]).starts_with("point 3: `kv_tokens` is -2"));
    points[3].kv_tokens = 2.0;
    assert!(refused(&points, &[(Term::Step, -1.0)]).contains("`step` at -1"));
    let share = FitOptions { held_out_share: 1.0, ..FitOptions::default() };
    assert!(matches!(fit(&points, &share), Err(FitError::Option { key: "held_out_share", .. })));
}

/// Fitted to one load, the profile gives the times of another load of other sessions.
#[test]
fn a_fitted_profile_replays_an_unseen_load() {
    let base = find("h200-qwen3-4b").unwrap();
    let seen = run(&agents()[..4], &scenario("rtx3090-qwen3-8b-awq"));
    let observed = observe(&seen.workload, &seen.outcome, 512).unwrap();
    let from = FittedFrom { command: "test".to_owned(), ..FittedFrom::default() };
    let fitted = base.fitted("mine", fit(&observed.points, &held()).unwrap(), ProfileOrigin::Simulated, from);
    let unseen = Scenario {
        arrivals: Some(Arrivals::Poisson { per_s: 2.0 }),
        step_tokens: 2_048,
        kv_tokens: Some(60_000),
        ..scenario("rtx3090-qwen3-8b-awq")
    };
    let mine = Scenario { profile: "mine".to_owned(), own_profile: Some((&fitted).into()), ..unseen.clone() };
    let (original, replayed) = (run(&agents()[2..], &unseen), run(&agents()[2..], &mine));
    let (original, replayed) = (&compare(&[original])[0], &compare(&[replayed])[0]);
    for (pick, a, b) in [
        ("ttft", original.ttft_ms, replayed.ttft_ms),
        ("tpot", original.tpot_ms, replayed.tpot_ms),
        ("e2e", original.e2e_ms, replayed.e2e_ms),
        ("job", original.job_ms, replayed.job_ms),
    ] {
        let (a, b) = (a.unwrap(), b.unwrap());
        for (a, b) in [(a.mean, b.mean), (a.p50, b.p50), (a.p95, b.p95)] {
            assert!((b / a - 1.0).abs() < 0.02, "{pick}: {b} is not {a}");
        }
    }
}
