//! How long a run takes and what of it small cards have room for, by devices that only pretend.

use super::{ROOFLINE, build, made, probed, ran};
use crate::gpu::fake::{Fake, Overlap, Roofline};
use crate::gpu::sizes::Half;
use crate::probe::fit;
use crate::probe::plan::{Extent, Plan};
use crate::probe::shape::Shape;
use crate::probe::step::{Batch, Weights};
use atr_core::report::Probed;

/// What is expected of an H200: products at 780 TFLOP/s, attention at 35 % of 990, a copy at 4.3 TB/s.
const H200: Roofline = Roofline {
    flops_per_s: 780e12,
    attention_flops_per_s: 346e12,
    bytes_per_s: 4.3e12,
    overlap: Overlap::Attention,
    ..ROOFLINE
};

/// A run on such a card with so much memory, and the seconds that the card worked.
fn run(extent: Extent, weights: Weights, memory_bytes: u64) -> (Probed, f64) {
    let shape = Shape::by_name("qwen3-4b").unwrap();
    let mut fake = Fake::new(build(Half::Bf16), H200, false).with_memory(memory_bytes);
    let mut plan = Plan::new(extent, shape.context);
    let results = ran(&mut fake, &shape, weights, build(Half::Bf16), &mut plan).unwrap();
    (results, fake.ran_us / 1e6)
}

/// Beside it are the two seconds in which clocks are looked at, and what the CPU does: compiling, checking, filling tables.
#[test]
fn a_usual_run_is_half_a_minute_of_an_h200() {
    for weights in [Weights::Half, Weights::Four] {
        let (results, s) = run(Extent::Usual, weights, 150_750_000_000);
        assert!((15.0..30.0).contains(&s), "{weights:?}: {s} s");
        assert!(results.left_out.is_empty(), "{:?}", results.left_out);
        let graphs = results.prefill_graphs.iter().chain(&results.decode_graphs);
        for times in graphs.map(|graph| graph.times) {
            assert!((3..=15).contains(&times.repeats), "{times:?}");
            assert!(times.median_us > 1e4 || times.repeats >= 10, "short ones are timed often: {times:?}");
        }
    }
    assert!((60.0..180.0).contains(&run(Extent::Thorough, Weights::Half, 150_750_000_000).1));
    assert!(run(Extent::Quick, Weights::Half, 150_750_000_000).1 < 6.0);
}

/// What a card has no room for is known before anything is allocated. On 12 GB 8 of weights leave no pages for 25,600 rows; on
/// 24 GB they do.
#[test]
fn small_cards_measure_what_they_have_room_for() {
    let (results, _) = run(Extent::Usual, Weights::Half, 12_000_000_000);
    assert!(results.left_out.is_empty(), "{:?}", results.left_out);
    assert!(results.no_room.contains(&"prefill of 25600 behind 0".to_owned()), "{:?}", results.no_room);
    assert!(results.prefill_graphs.len() > 5 && results.decode_graphs.len() > 5);
    assert!(!results.products.is_empty());
    let (larger, _) = run(Extent::Usual, Weights::Half, 24_000_000_000);
    assert!(larger.left_out.is_empty(), "{:?}", larger.left_out);
    assert!(larger.prefill_graphs.iter().any(|prompt| prompt.sizes == [25_600, 0]));
    assert!(larger.decode_graphs.len() > results.decode_graphs.len());
    let shape = Shape::by_name("qwen3-4b").unwrap();
    let mut fake = Fake::new(build(Half::Bf16), H200, false).with_memory(8_000_000_000);
    let mut plan = Plan::new(Extent::Usual, shape.context);
    let error = ran(&mut fake, &shape, Weights::Half, build(Half::Bf16), &mut plan).unwrap_err().to_string();
    assert!(error.starts_with("weights and room for a step take 8."), "{error}");
}

/// By hand, for 62.9 MB of cache: attention of 64 tokens moves 36 · 64 · 4,096 · 5 bytes (47 MB), of 256 four times as many;
/// a layer's activations of 1,024 rows 6 · 1,024 · 9,728 (60 MB), of 2,048 twice; of weights every repetition reads 0.7 GB.
#[test]
fn what_a_cache_may_hold_is_said() {
    let (_, _, report) = made(Weights::Half, Overlap::Attention);
    let said = report.body.notes.iter().find(|note| note.contains("second-level cache of 63 MB")).unwrap();
    assert!(said.contains("activation (64, 256, 512, 1024, 1, 2,"), "{said}");
    assert!(said.ends_with(", prefill attention (64)."), "{said}");
    for beyond in ["2048/", "qkv", "vocabulary", "decode attention"] {
        assert!(!said.contains(beyond), "{beyond}: {said}");
    }
}

/// By hand: 346 TFLOP/s over 4.3 TB/s are 80 operations a byte, the products' 780 would be 181. 16 new tokens of eight heads
/// make 128: their reading hides behind attention, and the fit may see them; of four heads 64, and it may not.
#[test]
fn attention_says_which_readings_hide() {
    let (results, _) = run(Extent::Usual, Weights::Half, 150_750_000_000);
    let seen = |group| fit::points(&fit::kinds(&results, Weights::Half, group)).len();
    let all = results.prefill_graphs.len() + results.decode_graphs.len();
    assert_eq!((seen(8), seen(4)), (all, all - 3));
}

#[test]
fn what_has_no_room_is_left_out_and_said() {
    let (_, _, results) = probed(Weights::Half, Overlap::Attention);
    // 128 sequences of 24,576 tokens are 464 GB of keys and values, 64 are 232 GB, and 128 of 8,192 are 155 GB.
    let expected = [(64, 24_576), (128, 8_192), (128, 24_576)];
    assert_eq!(
        results.no_room,
        expected.map(|(batch, tokens)| format!("decoding {batch} sequences of {tokens}"))
    );
    assert_eq!(results.left_out, [""; 0], "what has no room has not failed");
    assert_eq!(results.decode_graphs.len(), 32 - 3);
    assert_eq!(
        results.decodes.len(),
        results.decode_graphs.iter().filter(|of| of.times.median_us < 1e4).count()
    );
    assert_eq!(results.copy.sizes[0], 4 << 30, "the copy comes before the pool");
}

#[test]
fn steps_are_named_by_what_they_compute() {
    let two = Batch { prompts: vec![(1_024, 8_192); 2], ..Batch::default() };
    assert_eq!(two.to_string(), "prefill of 1024 behind 8192 and prefill of 1024 behind 8192");
    let beside = Batch { prompts: vec![(1_024, 0)], decoding: 8, context: 2_048 };
    assert_eq!(beside.to_string(), "prefill of 1024 behind 0 beside decoding 8 sequences of 2048");
    assert_eq!(Batch::decoding(1, 512).to_string(), "decoding 1 sequences of 512");
}
