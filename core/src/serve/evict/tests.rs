//! Each eviction's order on a handful of leaves, by hand.

use super::fixture::{chosen, drain, leaf, memory, workload};
use super::{EVICTIONS, Eviction, Leaf, Memory, Missed, Use, make};
use crate::serve::memory::Order;
use crate::serve::prefix::PrefixTree;
use crate::serve::{ArrivalPlan, Replay};
use crate::trace::Workload;

/// Three sessions of two calls each, with nothing in common.
fn three() -> Workload {
    workload(&[(0, &[0]), (0, &[0, 1]), (1, &[2]), (1, &[2, 3]), (2, &[4]), (2, &[4, 5])])
}

const IN_ORDER: &[u32] = &[0, 1, 2, 3, 4, 5];

#[test]
fn counts_decide_before_recency() {
    let work = three();
    let tree = PrefixTree::build(&work, 4);
    let made = |name| make(&chosen(EVICTIONS, name), &memory(&work, &tree, IN_ORDER));
    let leaves = [(0, 1, 5, 9), (2, 2, 5, 7), (4, 3, 1, 8)].map(|(call, stamp, hits, born)| Leaf {
        hits,
        born,
        ..leaf(&tree, call, stamp, 0)
    });
    for (name, order) in
        [("lru", [1, 2, 3]), ("leaf-lru", [1, 2, 3]), ("lfu", [3, 1, 2]), ("fifo", [2, 3, 1])]
    {
        let mut evict = made(name);
        leaves.iter().for_each(|leaf| evict.offer(leaf));
        assert_eq!(drain(&mut *evict, 0), order, "{name}");
        assert_eq!(evict.whole_leaves(), name == "leaf-lru");
    }
}

/// Blocks of four tokens. A token in the first costs 10 + (4·4/2)/4 = 12; in the second 10 + (4·4 + 4·4/2)/4 = 16.
/// With a window of 2 uses, a second block is worth `alpha` uses more than 2 later ones.
#[test]
fn depth_is_weighed_against_recency() {
    let work = three();
    let tree = PrefixTree::build(&work, 4);
    let order = |text: &str| {
        let mut evict = make(&chosen(EVICTIONS, text), &memory(&work, &tree, IN_ORDER));
        evict.offer(&leaf(&tree, 1, 1, 0));
        evict.offer(&leaf(&tree, 2, 2, 0));
        evict.offer(&leaf(&tree, 4, 4, 0));
        drain(&mut *evict, 0)
    };
    assert_eq!(order("cost-aware:alpha=0,window=2"), [1, 2, 4]);
    // 1/2 + 1 against 2/2 and 4/2.
    assert_eq!(order("cost-aware:alpha=1,window=2"), [2, 1, 4]);
    // 1/2 + 2 against 2/2 and 4/2.
    assert_eq!(order("cost-aware:alpha=2,window=2"), [2, 4, 1]);
}

#[test]
fn the_farthest_next_use_goes_first() {
    let work = three();
    let tree = PrefixTree::build(&work, 4);
    // Session 0 goes on last, session 2 next; session 1 has no more calls after its second.
    let order = [0, 2, 3, 4, 5, 1];
    let mut evict = make(&chosen(EVICTIONS, "belady"), &memory(&work, &tree, &order));
    for (place, &call) in order[..4].iter().enumerate() {
        evict.admitted(call, place as u64);
    }
    evict.offer(&leaf(&tree, 4, 1, 0));
    evict.offer(&leaf(&tree, 0, 2, 0));
    evict.offer(&leaf(&tree, 3, 3, 0));
    assert_eq!(drain(&mut *evict, 0), [3, 2, 1]);
}

/// Three blocks, and one use of each to come, of the first two. Who will not come does not count, however that is learned.
#[test]
fn only_uses_that_come_count() {
    let work =
        workload(&[(0, &[0]), (0, &[1]), (0, &[2]), (1, &[0, 3]), (2, &[1, 4]), (3, &[2, 5]), (4, &[0])]);
    let tree = PrefixTree::build(&work, 4);
    let order: Vec<u32> = (0..7).collect();
    let mut evict = make(&chosen(EVICTIONS, "belady"), &memory(&work, &tree, &order));
    assert!(evict.awaits());
    (0..3).for_each(|call| evict.admitted(call, 0));
    (0..3).for_each(|call| evict.offer(&leaf(&tree, call, u64::from(call) + 1, 0)));
    let order = |evict: &dyn Eviction| drain(&mut *dyn_clone::clone_box(evict), 0);
    assert_eq!(order(&*evict), [3, 2, 1], "uses at places 3, 4 and 5");
    // The second block's use goes elsewhere: nobody uses it. The first's next is the last call now.
    assert!(evict.missed(4, Missed::Elsewhere));
    assert!(evict.missed(3, Missed::Dropped));
    assert!(!evict.missed(3, Missed::Dropped), "that is known");
    [0, 1].iter().for_each(|&call| evict.offer(&leaf(&tree, call, u64::from(call) + 1, 0)));
    assert_eq!(order(&*evict)[..3], [2, 1, 3]);
    // The last call is admitted: its use is past. It is thrown out: it is to come again, and still the farthest.
    evict.admitted(6, 0);
    evict.offer(&leaf(&tree, 6, 4, 0));
    assert_eq!(order(&*evict)[..3], [2, 4, 1]);
    evict.expected_again(6);
    assert_eq!(order(&*evict)[..4], [2, 1, 4, 3]);
}

/// What is refused, and what would have come behind it, is no use from the start.
#[test]
fn what_is_too_large_is_known_to_be_refused() {
    let work = workload(&[(0, &[0]), (0, &[0, 1, 2]), (0, &[0]), (1, &[3]), (1, &[3, 4])]);
    let tree = PrefixTree::build(&work, 4);
    let plan = ArrivalPlan::At(vec![0; 2]);
    let order = |largest_tokens, replay| {
        let order = Order::Arrivals { plan: &plan, replay, largest_tokens };
        let memory = Memory { order, ..memory(&work, &tree, &[]) };
        let mut evict = make(&chosen(EVICTIONS, "belady"), &memory);
        [0, 3].iter().for_each(|&call| evict.admitted(call, 0));
        [0, 3].iter().for_each(|&call| evict.offer(&leaf(&tree, call, u64::from(call) + 1, 0)));
        drain(&mut *evict, 0)
    };
    for replay in [Replay::Delays, Replay::Times] {
        assert_eq!(order(13, replay), [4, 1], "uses at places 1 and 4");
        assert_eq!(order(12, replay), [1, 4], "the first session ends with its second call");
    }
}

/// A session that was cut off has ended, though a call of it is still admitted.
#[test]
fn a_session_that_was_cut_off_has_ended() {
    let work = three();
    let tree = PrefixTree::build(&work, 4);
    let mut evict = make(&chosen(EVICTIONS, "shortest-program"), &memory(&work, &tree, IN_ORDER));
    [0, 2].iter().for_each(|&call| evict.admitted(call, 0));
    assert!(!evict.missed(1, Missed::Elsewhere), "it goes on elsewhere");
    assert!(evict.missed(1, Missed::Dropped));
    evict.offer(&leaf(&tree, 2, 1, 0));
    evict.offer(&leaf(&tree, 0, 2, 0));
    assert_eq!(drain(&mut *evict, 0), [2, 1]);
    evict.admitted(0, 0);
    evict.offer(&leaf(&tree, 2, 3, 0));
    evict.offer(&leaf(&tree, 0, 4, 0));
    assert_eq!(drain(&mut *evict, 0), [4, 3]);
}

/// Session 0: its third call goes through what its first left, its second does not. Session 1: the next call does.
#[test]
fn calls_that_stand_before_the_next_use_are_counted() {
    let work =
        workload(&[(0, &[0]), (0, &[1]), (0, &[0, 2]), (1, &[3]), (1, &[3, 4]), (2, &[5]), (2, &[5, 6])]);
    let tree = PrefixTree::build(&work, 4);
    let order: Vec<u32> = (0..7).collect();
    let mut evict = make(&chosen(EVICTIONS, "steps-to-next-use"), &memory(&work, &tree, &order));
    [0, 3].iter().for_each(|&call| evict.admitted(call, 0));
    evict.offer(&leaf(&tree, 3, 1, 0));
    evict.offer(&leaf(&tree, 0, 2, 0));
    // Nobody who has begun will use it again, though session 2 would.
    evict.offer(&leaf(&tree, 5, 3, 0));
    assert_eq!(evict.next(0).unwrap().1, 3);
    let mut later = dyn_clone::clone_box(&*evict);
    // The second call of session 0 came: now both are one step away, and the older goes first.
    evict.admitted(1, 0);
    assert_eq!(drain(&mut *evict, 0), [1, 2]);
    // It came elsewhere, and session 1 ends before its second: what that would have used is offered anew.
    assert!(later.missed(1, Missed::Elsewhere) && later.missed(4, Missed::Dropped));
    later.offer(&leaf(&tree, 3, 1, 0));
    assert_eq!(
        drain(&mut *later, 0),
        [1, 1, 2],
        "what it was offered for before holds no more, which the cache knows"
    );
    // Of session 2, which has not begun here, nothing is known still.
    later.missed(5, Missed::Elsewhere);
    later.offer(&leaf(&tree, 5, 4, 0));
    later.offer(&leaf(&tree, 0, 5, 0));
    assert_eq!(drain(&mut *later, 0), [4, 5]);
}

#[test]
fn ended_sessions_and_short_ones_go_first() {
    let work =
        workload(&[(0, &[0, 1, 2]), (0, &[0, 1, 2]), (1, &[3]), (1, &[3, 4]), (2, &[5, 6]), (2, &[5, 6])]);
    let tree = PrefixTree::build(&work, 4);
    let mut evict = make(&chosen(EVICTIONS, "shortest-program"), &memory(&work, &tree, IN_ORDER));
    [0, 2, 4].iter().for_each(|&call| evict.admitted(call, 0));
    for (call, stamp) in [(0, 1), (2, 2), (4, 3)] {
        evict.offer(&leaf(&tree, call, stamp, 0));
    }
    assert_eq!(evict.next(0).unwrap().1, 2, "four tokens");
    // The longest ends: what it left goes before what is left of session 2.
    evict.admitted(1, 0);
    evict.offer(&leaf(&tree, 1, 4, 0));
    assert_eq!(drain(&mut *evict, 0), [4, 3, 1]);
}

const MS: u64 = 1_000_000_000;

/// Calls of one tool that took 1 ms each, but for the last two: 3 ms and an hour.
fn waiting(tool: bool) -> Workload {
    let calls: Vec<(u32, Vec<u32>)> = (0..11).map(|call| (0, (0..=call).collect())).collect();
    let mut work =
        workload(&calls.iter().map(|(session, prompt)| (*session, &prompt[..])).collect::<Vec<_>>());
    for call in &mut work.calls {
        call.start.delay_us = match call.id {
            9 if tool => 3_000,
            10 => 3_600_000_000,
            _ => 1_000,
        };
    }
    work
}

/// Eight waits of 1 ms are known (calls 1 to 8). Ten of 100 blocks hold 40 tokens: computing them again takes
/// 40 · 10 + 40 · 40 / 2 = 1,200 ps, far less than a tenth of 1 ms costs: nothing is kept. At a thousand times the
/// speed 1 µs costs 100 ns, still more; at 10⁸ times it costs 1 ps.
#[test]
fn what_pays_is_kept_for_as_long_as_it_pays() {
    let work = waiting(true);
    let tree = PrefixTree::build(&work, 4);
    let order: Vec<u32> = (0..11).collect();
    let until = |speed: f64, learned: u32| {
        let memory = Memory { speed, ..memory(&work, &tree, &order) };
        let mut evict = make(&chosen(EVICTIONS, "ttl"), &memory);
        (0..=learned).for_each(|call| evict.admitted(call, 0));
        evict.released(Use { call: learned, at: 50 }, 10);
        evict.next_change(50).map(|change| change - 50 - 1)
    };
    assert_eq!(until(1.0, 8), None);
    assert_eq!(until(1e3, 8), None);
    assert_eq!(until(1e8, 8), Some(10));
    // A ninth wait was thrice as long: 8/9 of 1,200 ps less 1 ps, or all of it less 3 ps.
    assert_eq!(until(1e8, 9), Some(30));
    // Before eight are known, two seconds.
    assert_eq!(until(1.0, 7), Some(2_000 * MS));
    // Nothing waits for the last call.
    assert_eq!(until(1e8, 10), None);
}

/// Kept for two seconds while the tool's mean is not above that: the hour lifts it.
#[test]
fn the_preview_pins_for_a_fixed_time() {
    let work = waiting(false);
    let tree = PrefixTree::build(&work, 4);
    let order: Vec<u32> = (0..11).collect();
    let mut evict = make(&chosen(EVICTIONS, "ttl:preview"), &memory(&work, &tree, &order));
    evict.released(Use { call: 0, at: 0 }, 1);
    assert_eq!(evict.next_change(0), Some(2_000 * MS + 1), "nothing is known");
    evict.admitted(1, 0);
    evict.released(Use { call: 1, at: 5 }, 1);
    evict.offer(&leaf(&tree, 1, 1, 5));
    evict.offer(&leaf(&tree, 10, 2, 0));
    evict.offer(&leaf(&tree, 2, 3, 0));
    // The kept leaf goes after the others, though it is older.
    let mut later = dyn_clone::clone_box(&*evict);
    assert_eq!(drain(&mut *evict, 2_000 * MS + 5), [2, 3, 1]);
    assert_eq!(drain(&mut *later, 2_000 * MS + 6), [1, 2, 3], "it has expired");
    later.admitted(10, 0);
    later.released(Use { call: 2, at: 9_000 * MS }, 1);
    assert_eq!(later.next_change(9_000 * MS), None, "slow tools are not waited for");
}

#[test]
fn grown_keys_are_put_back() {
    let work = three();
    let tree = PrefixTree::build(&work, 4);
    let mut leaves = super::keyed::Keyed::default();
    leaves.offer(1, &leaf(&tree, 0, 1, 0));
    leaves.offer(2, &leaf(&tree, 2, 2, 0));
    let next = leaves.next_grown(|offered| if offered.stamp == 1 { 3 } else { offered.key });
    assert_eq!(next.unwrap().stamp, 2);
    assert_eq!(leaves.first().unwrap().key, 3);
}
