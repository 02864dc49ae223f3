//! The interpreter against small kernels whose results, and faults, are known by hand.

use crate::{Counts, Half, Launch, Memory, Module, run};

const HEAD: &str = ".version 9.0\n.target sm_80\n.address_size 64\n";

/// Shared memory of which a launch says how much it is: 64 bytes.
const ASKED: &str = ".extern .shared .align 256 .b8 asked[];\n";

/// Runs a kernel of 64 threads that gets one address, of 64 numbers of four bytes; what they are then.
fn made(body: &str) -> anyhow::Result<(Vec<u32>, Counts)> {
    let text = format!(
        "{HEAD}{ASKED}.visible .entry nothing(\n\t.param .u64 p\n)\n{{\n\t.reg .b32 %r<9>;\n{body}\n\tret;\n}}\n"
    );
    let module = Module::parse(&text)?;
    let (mut memory, mut counts) = (Memory::default(), Counts::default());
    let at = memory.alloc(256, true);
    memory.write(at, &(0..64_u32).flat_map(|place| (100 + place).to_le_bytes()).collect::<Vec<u8>>())?;
    let launch = Launch { kernel: "nothing", grid: [1, 1, 1], threads: 64, shared_bytes: 64, params: &[at] };
    run(&module, &launch, &mut memory, &mut counts)?;
    let numbers = memory.read(at, 256)?.chunks_exact(4);
    Ok((numbers.map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect(), counts))
}

fn refused(body: &str) -> String {
    format!("{:#}", made(body).map(|(numbers, _)| numbers).expect_err("it is refused"))
}

/// Every thread's own address: in memory in `%rd2`, in shared memory in `%r2`; its number in `%r1`.
const START: &str = "
    .shared .align 16 .b8 room[512];
    ld.param.u64 %rd1, [p];
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd3, %r1, 4;
    add.s64 %rd2, %rd1, %rd3;
    mov.u32 %r2, room;
    cvt.u32.u64 %r3, %rd3;
    add.s32 %r2, %r2, %r3;
";

fn after(rest: &str) -> String {
    format!("{START}{rest}")
}

/// Lanes that go different ways meet again: a sum over the warp behind a branch that odd threads take.
#[test]
fn lanes_part_and_meet_again() {
    let (found, _) = made(&after(
        "and.b32 %r4, %r1, 1;
         mov.u32 %r5, 1;
         setp.eq.s32 %p1, %r4, 0;
         @%p1 bra $even;
         mov.u32 %r5, 1000;
         $even:
         shfl.sync.bfly.b32 %r6|%p2, %r5, 1, 31, -1;
         @!%p1 add.s32 %r6, %r6, -1;
         st.global.u32 [%rd2], %r6;",
    ))
    .unwrap();
    assert_eq!(found[..4], [1000, 0, 1000, 0]);
}

#[test]
fn loops_go_on_until_the_last_lane_is_through() {
    let (found, counts) = made(&after(
        "mov.u32 %r4, 0;
         mov.u32 %r5, 0;
         $again:
         add.s32 %r5, %r5, %r4;
         add.s32 %r4, %r4, 1;
         setp.le.s32 %p1, %r4, %r1;
         @%p1 bra $again;
         st.global.u32 [%rd2], %r5;",
    ))
    .unwrap();
    // 0 + 1 + … + its own number.
    assert_eq!((found[0], found[5], found[63]), (0, 15, 63 * 64 / 2));
    assert_eq!((counts.writes.sectors, counts.writes.touched()), (8, 256));
}

#[test]
fn warps_need_a_barrier_between_them_and_lanes_of_one_too() {
    let swap = |barrier: &str, by: u32| {
        after(&format!(
            "st.shared.u32 [%r2], %r1;
             {barrier}
             xor.b32 %r4, %r3, {};
             mov.u32 %r5, room;
             add.s32 %r4, %r4, %r5;
             ld.shared.u32 %r6, [%r4];
             st.global.u32 [%rd2], %r6;",
            4 * by
        ))
    };
    let (found, _) = made(&swap("bar.sync 0;", 32)).unwrap();
    assert_eq!((found[0], found[33]), (32, 1));
    assert!(refused(&swap("bar.warp.sync -1;", 32)).contains("reads what nobody wrote"));
    let (found, _) = made(&swap("bar.warp.sync -1;", 1)).unwrap();
    assert_eq!(found[..3], [1, 0, 3]);
    let error = refused(&swap("", 1));
    assert!(error.contains("thread 0 reads what thread 1 wrote, without a barrier in between"), "{error}");
    let other_way = after(
        "st.shared.u32 [%r2], %r1;
         bar.sync 0;
         ld.shared.u32 %r6, [%r2];
         mov.u32 %r5, room;
         setp.eq.s32 %p1, %r1, 63;
         @%p1 st.shared.u32 [%r5], %r6;",
    );
    let error = refused(&other_way);
    assert!(error.contains("thread 63 writes what thread 0 read, without a barrier in between"), "{error}");
}

#[test]
fn copies_in_the_background_are_there_when_they_were_waited_for() {
    let fetch = |wait: &str| {
        after(&format!(
            "cvt.u32.u64 %r5, %rd3;
             shl.b32 %r4, %r1, 4;
             mov.u32 %r6, room;
             add.s32 %r4, %r4, %r6;
             and.b32 %r5, %r5, 240;
             cvt.u64.u32 %rd4, %r5;
             add.s64 %rd4, %rd1, %rd4;
             setp.lt.u32 %p1, %r1, 32;
             @%p1 cp.async.cg.shared.global [%r4], [%rd4], 16, 8;
             cp.async.commit_group;
             {wait}
             @%p1 ld.shared.u32 %r7, [%r4+4];
             @%p1 ld.shared.u32 %r8, [%r4+8];
             @%p1 add.s32 %r7, %r7, %r8;
             @%p1 st.global.u32 [%rd2], %r7;"
        ))
    };
    let (found, _) = made(&fetch("cp.async.wait_group 0;")).unwrap();
    // Two of four numbers come, zeros for the others: number 1 of the thread's four.
    assert_eq!((found[0], found[4], found[31], found[32]), (101, 105, 129, 132));
    let error = refused(&fetch("cp.async.wait_group 1;"));
    assert!(error.contains("reads what a copy of thread 0 still brings"), "{error}");
}

/// What a launch asks for lies behind what the source declares, at a multiple of its alignment, and has an end.
#[test]
fn shared_memory_that_a_launch_asks_for_is_there() {
    let at = |offset: u32| {
        after(&format!(
            "st.shared.u32 [%r2], %r1;
             mov.u32 %r4, asked;
             sub.s32 %r4, %r4, %r2;
             setp.eq.s32 %p1, %r1, 0;
             mov.u32 %r5, asked;
             @%p1 st.shared.u32 [%r5+{offset}], %r4;
             @%p1 ld.shared.u32 %r6, [%r5+{offset}];
             @%p1 st.global.u32 [%rd2], %r6;"
        ))
    };
    assert_eq!(made(&at(60)).unwrap().0[..2], [512, 101]);
    assert!(refused(&at(64)).contains("are not in shared memory"));
}

#[test]
fn a_vote_is_for_all_only_where_all_agree() {
    let below = |limit: u32| {
        after(&format!(
            "setp.lt.u32 %p1, %r1, {limit};
             vote.sync.all.pred %p2, %p1, -1;
             selp.b32 %r4, 1, 0, %p2;
             st.global.u32 [%rd2], %r4;"
        ))
    };
    let (found, _) = made(&below(40)).unwrap();
    assert_eq!([found[0], found[31], found[32], found[63]], [1, 1, 0, 0]);
    let (found, _) = made(&below(64)).unwrap();
    assert_eq!(found, [1; 64]);
}

#[test]
fn what_is_nobodys_memory_is_not_touched() {
    let error = refused(&after("ld.global.u32 %r4, [%rd2+256];"));
    assert!(
        error
            .contains("threads from 0 on, `ld.global.u32 %r4, [%rd2+256]`: 4 bytes at 0x100100 are nobody's"),
        "{error}"
    );
    let error = refused(&after("ld.shared.u32 %r4, [%r2];"));
    assert!(error.contains("reads what nobody wrote"), "{error}");
    let error = refused(&after("st.shared.v4.u32 [%r2], {%r1, %r1, %r1, %r1};"));
    assert!(error.contains("is no multiple of them"), "{error}");
    let error = refused(&after("st.shared.u32 [%r2+512], %r1;"));
    assert!(error.contains("are not in shared memory"), "{error}");
}

#[test]
fn warps_must_be_whole_where_they_act_as_one() {
    let part = |act: &str| after(&format!("setp.lt.u32 %p1, %r1, 40;\n@%p1 {act}"));
    let error = refused(&part("bar.sync 0;"));
    assert!(error.contains("lanes 0x000000ff of 0xffffffff come to a barrier"), "{error}");
    let error = refused(&part("shfl.sync.bfly.b32 %r6|%p2, %r1, 1, 31, -1;"));
    assert!(error.contains("lanes 0x000000ff come here, 0xffffffff were to meet"), "{error}");
}

/// A loop of four instructions that waits for 30 of them: the first look at the clock and what ends it are not more than a round.
#[test]
fn a_clock_goes_on_with_each_instruction() {
    let (found, counts) = made(&after(
        "mov.u64 %rd5, %clock64;
         wait:
         mov.u64 %rd6, %clock64;
         sub.s64 %rd6, %rd6, %rd5;
         setp.lt.u64 %p1, %rd6, 30;
         @%p1 bra wait;
         cvt.u32.u64 %r4, %rd6;
         st.global.u32 [%rd2], %r4;",
    ))
    .unwrap();
    assert!(found.iter().all(|waited| (30..34).contains(waited)), "{found:?}");
    assert!((60..110).contains(&counts.instructions), "{}", counts.instructions);
}

#[test]
fn what_is_not_known_is_named() {
    let error = refused("tanh.approx.f32 %f1, %f2;");
    assert!(error.contains("`tanh.approx.f32 %f1, %f2`: `tanh.approx.f32` is not known"), "{error}");
}

/// By hand: 32 threads 128 bytes apart meet in one bank, next to each other in none; 16 bytes each take four rounds.
#[test]
fn banks_are_counted_as_hardware_has_them() {
    use crate::shared::rounds;
    let apart = |bytes: u64| (0..32).map(|lane| 1_024 + lane * bytes).collect::<Vec<u64>>();
    assert_eq!(rounds(&apart(4), 4), (1, 1));
    assert_eq!(rounds(&apart(128), 4), (32, 1));
    assert_eq!(rounds(&apart(8), 4), (2, 1));
    assert_eq!(rounds(&apart(16), 16), (4, 4));
    assert_eq!(rounds(&apart(0), 4), (1, 1), "one word for all");
    // Rows of 272 bytes, of which eight meet in no bank; of 256 bytes all eight do.
    assert_eq!(rounds(&apart(272), 16), (4, 4));
    assert_eq!(rounds(&apart(256), 16), (32, 4));
}

/// A product of matrices that a warp holds, against sums by their indices: `a[i][k] = i + 16 k`, `b[k][j] = k - j`.
#[test]
fn fragments_lie_as_the_manual_says() {
    use crate::fragments::{load, multiply};
    let word =
        |low: f64, high: f64| u64::from(Half::Fp16.narrow(low)) | u64::from(Half::Fp16.narrow(high)) << 16;
    let (a_of, b_of) = (|i: usize, k: usize| (i + 16 * k) as f64, |k: usize, j: usize| k as f64 - j as f64);
    // The manual's figures: rows by a lane's quarter, columns by twice its place in the quarter.
    let a = [(0, 0), (8, 0), (0, 8), (8, 8)].map(|(down, right)| {
        std::array::from_fn(|lane| {
            let (i, k) = (lane / 4 + down, lane % 4 * 2 + right);
            word(a_of(i, k), a_of(i, k + 1))
        })
    });
    let b = [0, 8].map(|down| {
        std::array::from_fn(|lane| {
            let (k, j) = (lane % 4 * 2 + down, lane / 4);
            word(b_of(k, j), b_of(k + 1, j))
        })
    });
    let c = [[u64::from(0.5_f32.to_bits()); 32]; 4];
    let made = multiply(Half::Fp16, &a, &b, &c);
    for (register, lanes) in made.iter().enumerate() {
        for (lane, bits) in lanes.iter().enumerate() {
            let (i, j) = (lane / 4 + register / 2 * 8, lane % 4 * 2 + register % 2);
            let expected: f64 = (0..16).map(|k| a_of(i, k) * b_of(k, j)).sum::<f64>() + 0.5;
            assert_eq!(f64::from(f32::from_bits(*bits as u32)), expected, "({i}, {j})");
        }
    }
    // Row r of matrix m holds 64 m + 8 r + column.
    let rows: Vec<Vec<u64>> = (0..32).map(|row| (0..8).map(|column| 8 * row + column).collect()).collect();
    assert_eq!(load(&rows, false)[1][5], (64 + 8 + 2) | (64 + 8 + 3) << 16);
    assert_eq!(load(&rows, true)[1][5], (64 + 2 * 8 + 1) | (64 + 3 * 8 + 1) << 16);
}
