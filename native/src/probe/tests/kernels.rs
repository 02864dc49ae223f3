//! The kernels themselves, interpreted: what they compute, and what they ask of memory.

use super::{Computed, ROOFLINE, TINY_BUILD, tiny};
use crate::gpu::device::{Device, uploaded};
use crate::gpu::fake::Fake;
use crate::gpu::half::{from_bytes, to_bytes};
use crate::gpu::op::{Cache, Decode, Op, PAGE, Prefill, Ptr, Rotary, SCALE_GROUP, part_bytes};
use crate::gpu::reference;
use crate::gpu::sizes::{Build, Half};
use crate::probe::check;
use crate::probe::step::{Batch, Weights};
use atr_ptx::Counts;

/// The checks that a probe begins with, by the kernels: heads and groups of all sizes, and both kinds of numbers.
#[test]
fn the_kernels_compute_what_the_reference_does() {
    for (half, dim, group) in
        [(Half::Bf16, 128, 4), (Half::Fp16, 64, 7), (Half::Bf16, 64, 1), (Half::Fp16, 128, 16)]
    {
        let build = Build { half, dim, group };
        let Some(mut fake) = Fake::with_kernels(build, ROOFLINE) else { return };
        let found = check::kernels(&mut fake, build).unwrap();
        assert!(found.iter().all(|check| check.good), "{build:?}: {found:?}");
    }
}

const BUILD: Build = Build { half: Half::Bf16, dim: 128, group: 4 };

fn zeros(fake: &mut Fake, bytes: u64) -> Ptr {
    uploaded(fake, &vec![0; bytes as usize]).unwrap()
}

/// Work of every kind but products that a library does, at sizes where weights and tables are a small part.
fn every_op(fake: &mut Fake) -> Vec<Op> {
    let (rows, width, kv_heads, dim) = (32, 512, 2, u64::from(BUILD.dim));
    let mut room = |numbers: u64| zeros(fake, numbers * 2);
    let heads = kv_heads * u64::from(BUILD.group);
    let cache =
        Cache { keys: room(64 * PAGE * kv_heads * dim), values: room(64 * PAGE * kv_heads * dim), kv_heads };
    let (x, y, both, out) = (room(rows * width), room(rows * width), room(rows * width * 2), room(1 << 18));
    let (q, qkv, weight) = (room(256 * heads * dim), room(256 * (heads + 2 * kv_heads) * dim), room(width));
    let (packed, scales) = (room(1 << 14), room((1 << 16) / SCALE_GROUP));
    let ints = |numbers: Vec<u32>| numbers.into_iter().flat_map(u32::to_le_bytes).collect::<Vec<u8>>();
    let tables = uploaded(fake, &ints((0..64).collect())).unwrap();
    let (positions, sequences) = (uploaded(fake, &ints((0..64).collect())).unwrap(), zeros(fake, 64 * 4));
    let lengths = uploaded(fake, &ints(vec![512, 512])).unwrap();
    let (angles, parts) = (zeros(fake, 64 * dim * 4), zeros(fake, 1 << 20));
    let (batch, table_width, tokens) = (2, 32, 64);
    vec![
        Op::Fill { out, count: 1 << 16, seed: 1, centre: 0.0, scale: 1.0 },
        Op::Scatter { out: packed, words: 1 << 13, seed: 1 },
        Op::Copy { from: x, to: out, bytes: rows * width * 2 },
        Op::AddNorm { x, y: 0, weight, out, rows, width },
        Op::AddNorm { x, y, weight, out, rows, width },
        Op::Rotary(Rotary {
            qkv,
            q,
            cache,
            q_weight: weight,
            k_weight: weight,
            angles,
            positions,
            sequences,
            tables,
            table_width,
            tokens,
        }),
        Op::Silu { both, out, rows, width },
        Op::Unpack4 { packed, scales, out, weights: 1 << 16 },
        Op::Product4 { x, packed, scales, out, rows: 8, inner: 512, columns: 128 },
        Op::Prefill(Prefill { q, cache, table: tables, parts, out, count: 192, cached: 256, splits: 1 }),
        Op::Decode(Decode {
            q,
            cache,
            tables,
            table_width,
            lengths,
            parts,
            out,
            batch,
            splits: 1,
            kv_tokens: 1_024,
        }),
    ]
}

/// What hides a graph's launch waits as long as it should, touches nothing, and ends: each look at the clock is four instructions.
#[test]
fn a_wait_is_as_long_as_it_was_asked_to_be() {
    let Some(mut fake) = Fake::with_kernels(BUILD, ROOFLINE) else { return };
    fake.run(&[Op::Spin { clocks: 1_000 }]).unwrap();
    let counts = fake.counts();
    assert!((1_000..1_030).contains(&counts.instructions), "{}", counts.instructions);
    assert_eq!(counts.reads.asked + counts.writes.asked, 0);
}

/// What a kernel did, beside what the account says of its work.
fn each(check: impl Fn(&str, &Op, &Counts)) {
    let Some(mut fake) = Fake::with_kernels(BUILD, ROOFLINE) else { return };
    for op in every_op(&mut fake) {
        fake.counts();
        fake.run(&[op]).unwrap();
        let name = format!("{op:?}");
        check(name.split([' ', '(']).next().unwrap_or_default(), &op, &fake.counts());
    }
}

/// Every rate and share of a probe rests on [`Op::amount`], which claims to be the least: here it is held against the bytes
/// that the kernels touch, each counted once. What they touch beyond are weights of norms, tables, angles and sums of parts;
/// what tensor cores multiply beyond are scores that nobody may see and rows that no query has.
#[test]
fn the_account_is_the_least_that_kernels_touch() {
    each(|name, op, counts| {
        let least = op.amount(BUILD.dim, BUILD.group);
        let beyond = (counts.reads.touched() + counts.writes.touched()) as f64 / least.bytes;
        assert!((1.0..1.1).contains(&beyond), "{name} touches {beyond} of the least");
        if name == "Prefill" {
            let beyond = counts.mma_flops as f64 / least.flops;
            assert!((1.0..1.2).contains(&beyond), "{name} multiplies {beyond} of the least");
        }
    });
}

/// Kernels that are to be bound by bytes fetch no sector for less than it holds, and threads meet in no bank.
#[test]
fn no_kernel_wastes_sectors_or_meets_in_banks() {
    each(|name, _, counts| {
        let (reads, writes) = (counts.reads.waste(), counts.writes.waste());
        // A warp reads two scales for 1,024 bytes of weights, a page's number for its keys.
        // Products of packed weights read rows by half sectors, the other halves with the next instruction.
        let most = if name == "Product4" { 2.0 } else { 1.25 };
        assert!(reads.is_nan() || reads < most, "{name} reads {reads} of what it asks for");
        let (limit, conflicts) = match name {
            // A maximum and a sum in a sector of their own; where sums of the warps come together.
            "Decode" => (1.04, 1.35),
            _ => (1.0, 1.0),
        };
        assert!(writes.is_nan() || writes <= limit, "{name} writes {writes} of what it has to");
        let found = counts.conflicts();
        assert!(found.is_nan() || found <= conflicts, "{name} meets in banks: {found}");
    });
}

/// By hand, in rows of 512 numbers: a norm reads `x`, the weights and, where there is one, `y`, each once, and writes `x` only with
/// a `y`; an activation reads two rows for each that it writes. All by whole sectors.
#[test]
fn norms_and_activations_move_each_row_once() {
    each(|name, op, counts| {
        let (rows, reads, writes) = match *op {
            Op::AddNorm { y: 0, rows, .. } => (rows, 2, 1),
            Op::AddNorm { rows, .. } => (rows, 3, 2),
            Op::Silu { rows, .. } => (rows, 2, 1),
            _ => return,
        };
        assert_eq!(counts.reads.asked, reads * rows * 1_024, "{name}");
        assert_eq!(counts.writes.asked, writes * rows * 1_024, "{name}");
        assert_eq!((counts.reads.waste(), counts.writes.waste()), (1.0, 1.0), "{name}");
    });
}

/// What prefill attention of 32 tokens, the last of so many, does, over two KV heads of 256 bytes a token.
fn prefill(tokens: u64, splits: u64) -> Option<Counts> {
    let mut fake = Fake::with_kernels(BUILD, ROOFLINE)?;
    let (kv_heads, count, cached) = (2, 32, tokens - 32);
    let (keys, values) =
        (zeros(&mut fake, tokens * kv_heads * 256), zeros(&mut fake, tokens * kv_heads * 256));
    let numbers: Vec<u8> = (0..(tokens / PAGE) as u32).flat_map(u32::to_le_bytes).collect();
    let table = uploaded(&mut fake, &numbers).unwrap();
    let rows = count * kv_heads * 4;
    let (q, out) = (zeros(&mut fake, rows * 256), zeros(&mut fake, rows * 256));
    let parts = zeros(&mut fake, rows * splits * part_bytes(128));
    let cache = Cache { keys, values, kv_heads };
    fake.run(&[Op::Prefill(Prefill { q, cache, table, parts, out, count, cached, splits })]).unwrap();
    Some(fake.counts())
}

/// By hand: 32 tokens of four heads are the 128 rows of a tile, for each of two KV heads, and 256 tokens four tiles of keys.
/// Each is read once, queries too; of the table each thread reads four entries before the first tile and four in each.
#[test]
fn prefill_reads_keys_and_values_once_for_all_heads_of_a_group() {
    let Some(counts) = prefill(256, 1) else { return };
    assert_eq!(counts.mma_flops, 2 * 4 * 128 * 256 * 128);
    let (rows, kv) = (2 * 128 * 256, 2 * 2 * 256 * 256);
    let entries = 2 * 4 * (1 + 4) * 4;
    assert_eq!(counts.reads.asked, kv + rows + entries * 4);
    // An entry of four bytes is a sector of 32.
    assert_eq!(counts.reads.sectors * 32, kv + rows + entries * 32);
    assert_eq!((counts.writes.asked, counts.writes.sectors * 32), (rows, rows));
    assert_eq!(counts.shared_rounds, counts.least_shared_rounds, "no two threads meet in a bank");
}

/// What each 64 tokens more cost a warp, by hand: 256 products of 16 by 8 by 16; of shared memory, 4 rounds for each of 16
/// fragments of queries, 32 of keys and 32 of values, and a quarter of the 256 in which keys and values come. An H100 does one
/// product a clock and multiprocessor at its stated rate: of that shared memory (a round a clock) allows two thirds, and its
/// four schedulers (an instruction a clock each) about nine tenths.
#[test]
fn prefill_attention_leaves_most_of_the_matrix_rate_within_reach() {
    let (Some(short), Some(long)) = (prefill(256, 1), prefill(512, 1)) else { return };
    let warps_by_tiles = 2 * 4 * 4;
    let products = (long.mma_flops - short.mma_flops) / (2 * 16 * 8 * 16);
    assert_eq!(products, warps_by_tiles * 256);
    assert_eq!(long.shared_rounds - short.shared_rounds, warps_by_tiles * (4 * (16 + 32 + 32) + 256 / 4));
    let instructions = (long.instructions - short.instructions) as f64 / products as f64;
    assert!(instructions < 4.5, "{instructions} instructions a product");
}

/// Two parts multiply as much, share the keys and values, and write 130 floats a row in 17 sectors, the maximum and the sum
/// in one of their own.
#[test]
fn parts_of_a_prompt_take_a_share_each() {
    let Some(counts) = prefill(256, 2) else { return };
    assert_eq!(counts.mma_flops, 2 * 4 * 128 * 256 * 128);
    let (rows, out) = (2 * 128, 2 * 128 * 256);
    assert_eq!(counts.writes.asked, 2 * rows * 130 * 4 + out);
    assert_eq!(counts.writes.sectors * 32, 2 * rows * 17 * 32 + out);
    assert_eq!(counts.shared_rounds, counts.least_shared_rounds);
}

/// Whole steps by the kernels and by the reference, from the same random weights; a prompt behind a prefix that lies in its
/// pages, and a decode step behind it, come to what the prompt comes to at once.
#[test]
fn a_step_of_the_kernels_is_a_step_of_the_reference() {
    let one = |tokens: usize| tokens * 128 * 2;
    let input =
        to_bytes(&(0..21 * 128).map(|i| (f64::from(i) * 0.7).sin()).collect::<Vec<f64>>(), Half::Bf16);
    let numbers = |bytes: Vec<u8>| from_bytes(&bytes, Half::Bf16);
    let whole = Batch::prompt(21, 0);
    let kinds = [(true, Weights::Half), (true, Weights::Four), (false, Weights::Half)];
    for (head_norms, weights) in kinds {
        let shape = tiny(head_norms);
        let Some(fake) = Fake::with_kernels(TINY_BUILD, ROOFLINE) else { return };
        let mut by_kernels = Computed::on(fake, &shape, weights);
        let mut by_reference = Computed::on(Fake::new(TINY_BUILD, ROOFLINE, true), &shape, weights);
        let expected = numbers(by_reference.logits(&whole, &input));
        let close = |found: Vec<u8>, what: &str| {
            let error = reference::error(&numbers(found), &expected);
            assert!(error < 0.02, "{what}, {weights:?}, head norms {head_norms}: {error}");
        };
        close(by_kernels.logits(&whole, &input), "at once");
        by_kernels.logits(&Batch::prompt(12, 0), &input[..one(12)]);
        close(by_kernels.logits(&Batch::prompt(9, 12), &input[one(12)..]), "behind a prefix");
        close(by_kernels.logits(&Batch::decoding(1, 21), &input[one(20)..]), "decoding");
    }
}
