//! Samples of what is timed: right ones pass, and what is wrong at one size only is found.

use super::{ROOFLINE, TINY_BUILD, tiny};
use crate::gpu::fake::Fake;
use crate::probe::check;
use crate::probe::plan::{Extent, Plan};
use crate::probe::step::{Limits, Model, Weights};
use atr_core::report::Checked;

/// Sizes that packed weights take unpacked and packed, and contexts of several pages.
fn checked(mut fake: Fake, weights: Weights) -> Vec<Checked> {
    let prefills = vec![(9, 0), (5, 40), (12, 40)];
    let plan = Plan {
        rows: vec![1, 8, 40],
        prefills,
        decodes: vec![(1, 60), (2, 60)],
        ..Plan::new(Extent::Quick, 64)
    };
    let limits = Limits { rows: 40, pages: 16, ..plan.limits() };
    let model = Model::new(&mut fake, &tiny(true), weights, &limits).unwrap();
    check::timed(&mut fake, &model, TINY_BUILD, &plan).unwrap()
}

fn wrong(found: &[Checked]) -> Vec<&str> {
    found.iter().filter(|check| !check.good).map(|check| check.what.as_str()).collect()
}

#[test]
fn samples_of_what_is_timed_are_right() {
    for weights in [Weights::Half, Weights::Four] {
        let found = checked(Fake::new(TINY_BUILD, ROOFLINE, true), weights);
        assert_eq!(wrong(&found), Vec::<&str>::new());
        let what: Vec<&str> = found.iter().map(|check| check.what.as_str()).collect();
        // Four products of a layer, of 1, 2, 5, 8, 9, 12 and 40 rows, and the vocabulary's of 1 and 2.
        assert!(what[..4].iter().all(|what| what.contains("samples at 7 sizes")), "{what:?}");
        assert!(what[4].starts_with("product of 128 by 32, samples at 2 sizes"), "{what:?}");
        let starts = ["prefill attention of 5 behind 40", "prefill attention of 12 behind 40"];
        let decodes = ["decode attention of 1 sequences of 60", "decode attention of 2 sequences of 60"];
        for (what, start) in what[5..].iter().zip(starts.iter().chain(&decodes)) {
            assert!(what.starts_with(start), "{what}, expected {start}");
        }
        assert_eq!(what.len(), 9);
        let Some(fake) = Fake::with_kernels(TINY_BUILD, ROOFLINE) else { return };
        assert_eq!(wrong(&checked(fake, weights)), Vec::<&str>::new(), "by kernels, {weights:?}");
    }
}

#[test]
fn what_is_wrong_at_one_size_is_found() {
    let mut fake = Fake::new(TINY_BUILD, ROOFLINE, true);
    fake.wrong_rows = Some(12);
    let found = checked(fake, Weights::Half);
    let wrong_ones = wrong(&found);
    assert_eq!(wrong_ones.len(), 4, "{wrong_ones:?}");
    assert!(wrong_ones.iter().all(|what| what.contains("worst at 12 rows")), "{wrong_ones:?}");
    for factor in [1.03, f64::NAN] {
        let mut fake = Fake::new(TINY_BUILD, ROOFLINE, true);
        fake.attention_factor = factor;
        let found = checked(fake, Weights::Half);
        let wrong_ones = wrong(&found);
        assert_eq!(wrong_ones.len(), 4, "{wrong_ones:?}");
        assert!(wrong_ones.iter().all(|what| what.contains("attention")), "{wrong_ones:?}");
    }
}
