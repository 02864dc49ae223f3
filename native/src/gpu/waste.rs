//! What the kernels of attention move and multiply beyond what they must, as the interpreter counts it.

use super::device::{Device, upload_ints};
use super::fake::{Fake, Overlap, Roofline};
use super::op::{Cache, Decode, Op, PAGE, Prefill, Ptr, part_bytes};
use super::ptx::Counts;
use super::source::{Build, Half};

const ROOFLINE: Roofline = Roofline {
    flops_per_s: 1e12,
    bytes_per_s: 1e12,
    launch_us: 1.0,
    graph_launch_us: 1.0,
    overlap: Overlap::Nowhere,
};
const BUILD: Build = Build { half: Half::Bf16, dim: 128, group: 4 };
const KV_HEADS: u64 = 2;
/// Bytes of a query, a key or a value.
const HEAD: u64 = 256;

/// Zeros, whose attention is zero; pages one after the other.
struct Zeros {
    fake: Fake,
    cache: Cache,
    table: Ptr,
    q: Ptr,
    out: Ptr,
    parts: Ptr,
}

impl Zeros {
    /// Room for so many queries of all heads, over so many tokens in so many parts.
    fn new(queries: u64, tokens: u64, splits: u64) -> Option<Zeros> {
        let mut fake = Fake::with_kernels(BUILD, ROOFLINE)?;
        let mut room = |bytes: u64| {
            let at = fake.alloc(bytes).unwrap();
            fake.upload(at, &vec![0; bytes as usize]).unwrap();
            at
        };
        let (keys, values) = (room(tokens * KV_HEADS * HEAD), room(tokens * KV_HEADS * HEAD));
        let (table, heads) = (room(tokens / PAGE * 4), queries * KV_HEADS * 4);
        let (q, out) = (room(heads * HEAD), room(heads * HEAD));
        let parts = room(heads * splits * part_bytes(128));
        upload_ints(&mut fake, table, 0..tokens / PAGE).unwrap();
        Some(Zeros { fake, cache: Cache { keys, values, kv_heads: KV_HEADS }, table, q, out, parts })
    }

    fn run(&mut self, op: Op) -> Counts {
        self.fake.run(&[op]).unwrap();
        self.fake.counts()
    }
}

/// By hand: 32 tokens of four heads are the 128 rows of a tile, for each of two KV heads; 256 tokens are four tiles of keys.
/// Each is read once, queries too, and the table four times in each block: once before the first tile and once in each.
#[test]
fn prefill_reads_keys_and_values_once_for_all_heads_of_a_group() {
    let (count, cached) = (32, 224);
    let Some(mut zeros) = Zeros::new(count, count + cached, 1) else { return };
    let Zeros { cache, table, q, out, parts, .. } = zeros;
    let prefill = Prefill { q, cache, table, parts, out, count, cached, splits: 1 };
    let counts = zeros.run(Op::Prefill(prefill));
    assert_eq!(counts.mma_flops, 4 * 128 * 256 * 128 * KV_HEADS);
    let rows = 32 * 4 * KV_HEADS * HEAD;
    let tables = KV_HEADS * 4 * 5 * 4 * 4;
    assert_eq!(counts.reads.asked, 2 * 256 * KV_HEADS * HEAD + rows + tables);
    assert_eq!((counts.writes.asked, counts.writes.sectors * 32), (rows, rows));
    assert_eq!(counts.shared_rounds, counts.least_shared_rounds, "no two threads meet in a bank");
    // Entries of a table are four bytes of a sector of 32.
    assert_eq!(counts.reads.sectors * 32, counts.reads.asked - tables + tables * 8);
}

/// Parts write their sums by whole sectors; each reads its share of the keys and values, and the queries again.
#[test]
fn parts_of_a_prompt_read_a_share_each() {
    let (count, cached, splits) = (32, 224, 2);
    let Some(mut zeros) = Zeros::new(count, count + cached, splits) else { return };
    let Zeros { cache, table, q, out, parts, .. } = zeros;
    let counts = zeros.run(Op::Prefill(Prefill { q, cache, table, parts, out, count, cached, splits }));
    assert_eq!(counts.mma_flops, 4 * 128 * 256 * 128 * KV_HEADS);
    let rows = 32 * 4 * KV_HEADS;
    let written = splits * rows * (128 + 2) * 4 + rows * HEAD;
    assert_eq!(counts.writes.asked, written);
    // Beside the sums a row has a maximum and a sum of eight bytes, in a sector of its own.
    assert_eq!(counts.writes.sectors * 32, written + splits * rows * 24);
    assert_eq!(counts.shared_rounds, counts.least_shared_rounds);
}

/// Decoding reads each key and value once, too.
#[test]
fn decoding_reads_keys_and_values_once() {
    let Some(mut zeros) = Zeros::new(1, 256, 2) else { return };
    let Zeros { cache, table, q, out, parts, .. } = zeros;
    let lengths = zeros.fake.alloc(4).unwrap();
    upload_ints(&mut zeros.fake, lengths, [256]).unwrap();
    let (table_width, batch, splits, kv_tokens) = (16, 1, 2, 256);
    let decode =
        Decode { q, cache, tables: table, table_width, lengths, parts, out, batch, splits, kv_tokens };
    let counts = zeros.run(Op::Decode(decode));
    let kv = 2 * 256 * KV_HEADS * HEAD;
    assert!(counts.reads.asked < kv * 11 / 10, "{} of {kv}", counts.reads.asked);
    println!("{counts:?} {} {} {}", counts.conflicts(), counts.reads.waste(), counts.writes.waste());
}
