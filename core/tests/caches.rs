//! Caches, evictions and the host's tier against calculations by hand.
#![allow(clippy::unwrap_used)]

mod common;

use atr_core::policy::{Arrivals, Scenario, simulate};
use atr_core::trace::{CallOutcome, CallStatus, Scope, Session};
use common::session;

/// First token after 10 ms + 0.5 ms a computed token; one call at a time.
fn linear() -> Scenario {
    Scenario {
        policies: vec!["exact-prefix-cache".to_owned()],
        profile: "linear:10,0.5,2".to_owned(),
        max_batch: 1,
        arrivals: Some(Arrivals::Concurrency { sessions: 1 }),
        ..Scenario::default()
    }
}

/// Sessions of one call of one segment each, given as (identity, tokens).
fn calls(all: &[(u64, u32)]) -> Vec<Session> {
    let one = |&(id, tokens): &(u64, u32)| session("s", Scope::Set, |_| tokens, &[(vec![id], 0, 1, 0)]);
    all.iter().map(one).collect()
}

fn run(sessions: &[Session], scenario: &Scenario) -> (Vec<CallOutcome>, u64) {
    let (_, mut runs) = simulate(sessions, scenario).unwrap();
    let outcome = runs.remove(0).outcome;
    (outcome.calls, outcome.counters.evicted_blocks)
}

fn device(calls: &[CallOutcome]) -> Vec<u64> {
    calls.iter().map(|call| call.cached_tokens.device).collect()
}

/// Blocks of 16, room for 7. The first prompt leaves 4 blocks; the second takes 5, so that 2 of the 4 go. The third
/// asks for the first again: 2 blocks are on the device, a third on the host, the last is computed.
///
/// A token takes 147,456 bytes, so 0.147456 GB/s bring one over in 1 ms. First: 10 + 32 = 42 ms. Second: 42 + 10 + 40 = 92.
/// Third: 92 + 10 + 8 + 16 = 126; without the host 92 + 10 + 16 = 118.
#[test]
fn what_the_host_holds_is_brought_over() {
    let sessions = calls(&[(0, 64), (1, 80), (0, 64)]);
    let without = Scenario { kv_tokens: Some(7 * 16), ..linear() };
    let with = Scenario { host_kv_tokens: Some(1_000), host_gb_per_s: Some(0.147_456), ..without.clone() };
    let third = run(&sessions, &with).0.remove(2);
    assert_eq!((third.cached_tokens.device, third.cached_tokens.host, third.computed_tokens), (32, 16, 16));
    assert_eq!(third.first_token_us, Some(126_000));
    let third = run(&sessions, &without).0.remove(2);
    assert_eq!((third.cached_tokens.device, third.cached_tokens.host, third.computed_tokens), (32, 0, 32));
    assert_eq!(third.first_token_us, Some(118_000));
    // A host of 6 blocks: the second prompt leaves one of the first's there, fewer than the device has.
    let small = Scenario { host_kv_tokens: Some(6 * 16), ..with };
    assert_eq!(run(&sessions, &small).0[2].cached_tokens.host, 0);
}

/// By default the link is that of the profile: PCIe 5.0 with 64 GB/s, 2,304 ns a token.
#[test]
fn the_link_is_the_profiles() {
    let sessions = calls(&[(0, 10_000), (1, 15_000), (0, 10_000)]);
    let scenario = Scenario { kv_tokens: Some(16_000), host_kv_tokens: Some(100_000), ..linear() };
    let (resolved, runs) = simulate(&sessions, &scenario).unwrap();
    assert_eq!(resolved.scenario.host_gb_per_s, Some(64.0));
    let call = &runs[0].outcome.calls[2];
    // 624 blocks but what the second left of the first on the device: 1,000 blocks less 938.
    assert_eq!((call.cached_tokens.device, call.cached_tokens.host), (62 * 16, 562 * 16));
    let spent = call.first_token_us.unwrap() - call.admitted_us.unwrap();
    // 10 ms, 16 tokens of 0.5 ms, 8,992 of 2,304 ns.
    assert_eq!(spent, 10_000 + 8_000 + 20_718);
}

/// Exact to the token: of 96 tokens asked again 95 are found, and one is computed.
#[test]
fn a_radix_tree_is_exact_to_the_token() {
    let scenario = Scenario { cache: Some("radix".to_owned()), ..linear() };
    let (resolved, runs) = simulate(&calls(&[(0, 96), (0, 96)]), &scenario).unwrap();
    assert_eq!(resolved.scenario.block_tokens, Some(1));
    assert_eq!(device(&runs[0].outcome.calls), [0, 95]);
    // A source of blocks keeps them, and whoever sets a page size gets it.
    let paged = Scenario { block_tokens: Some(32), ..scenario.clone() };
    assert_eq!(device(&run(&calls(&[(0, 96), (0, 96)]), &paged).0), [0, 64]);
    let mut blocks = calls(&[(0, 96), (0, 96)]);
    blocks.iter_mut().for_each(|session| session.block_tokens = Some(48));
    assert_eq!(simulate(&blocks, &scenario).unwrap().0.scenario.block_tokens, Some(48));
}

/// Room for 112 tokens. The first prompt leaves 64; the second needs 80 and 48 are free: 32 must go. By leaves all 64
/// go, token by token half of them. The third finds none or 32, and needs 32 of what the second left, or all 80.
#[test]
fn a_radix_tree_evicts_whole_leaves() {
    let sessions = calls(&[(0, 64), (1, 80), (0, 64)]);
    let scenario = Scenario { cache: Some("radix".to_owned()), kv_tokens: Some(112), ..linear() };
    let (found, evicted) = run(&sessions, &scenario);
    assert_eq!((device(&found), evicted), (vec![0, 0, 0], 64 + 80));
    let (found, evicted) = run(&sessions, &Scenario { eviction: Some("lru".to_owned()), ..scenario });
    assert_eq!((device(&found), evicted), (vec![0, 0, 32], 32 + 32));
}

fn slots(text: &str, kv_tokens: u64) -> Scenario {
    Scenario { cache: Some(text.to_owned()), kv_tokens: Some(kv_tokens), ..linear() }
}

/// Two places. A and B fill them; A's next prompt finds A's place; C takes the place idle the longest, B's; B finds
/// nothing and takes A's; what C left is still there.
#[test]
fn a_place_holds_what_it_held_last() {
    let tokens = |id| if id == 2 { 20 } else { 40 };
    let prompts: [&[u64]; 6] = [&[0], &[1], &[0, 2], &[3], &[1], &[3]];
    let sessions = prompts.map(|prompt| session("s", Scope::Set, tokens, &[(prompt.to_vec(), 0, 1, 0)]));
    let (found, evicted) = run(&sessions, &slots("slots:slots=2", 200));
    assert_eq!(device(&found), [0, 0, 40, 0, 0, 39]);
    // B's 40 tokens, A's 60, and the one of C's that is computed again.
    assert_eq!(evicted, 40 + 60 + 1);
    assert_eq!(device(&run(&sessions, &slots("block-hash", 400)).0)[4], 32, "a shared cache loses nothing");
}

/// A tenth of the prompt must be there for a place to be taken for it; the place that was idle the longest may still hold some.
#[test]
fn little_in_common_does_not_choose_a_place() {
    let tokens = |id| [10, 90, 90, 400][id as usize];
    let prompts: [&[u64]; 3] = [&[0, 1], &[3], &[0, 2]];
    let sessions = prompts.map(|prompt| session("s", Scope::Set, tokens, &[(prompt.to_vec(), 0, 1, 0)]));
    // The common 10 tokens are exactly a tenth of 100: not more, so the place idle the longest is taken, which is the same.
    assert_eq!(device(&run(&sessions, &slots("slots:slots=2", 1_000)).0), [0, 0, 10]);
    // With a third place, that one.
    assert_eq!(device(&run(&sessions, &slots("slots:slots=3", 3_000)).0), [0, 0, 0]);
    assert_eq!(device(&run(&sessions, &slots("slots:slots=3,similarity=0.09", 3_000)).0), [0, 0, 10]);
}

/// 120 tokens in two places: a call of 61 fits none of them, though it would fit both together.
#[test]
fn what_exceeds_a_place_is_refused() {
    let sessions = calls(&[(0, 59), (1, 60)]);
    let status = |scenario| run(&sessions, &scenario).0.iter().map(|call| call.status).collect::<Vec<_>>();
    assert_eq!(status(slots("slots:slots=2", 120)), [CallStatus::Ok, CallStatus::Rejected]);
    assert_eq!(status(slots("block-hash", 120)), [CallStatus::Ok; 2]);
}

#[test]
fn wrong_numbers_are_named() {
    let fails = |scenario: Scenario| simulate(&calls(&[(0, 64)]), &scenario).unwrap_err().to_string();
    let none = Scenario { host_kv_tokens: Some(0), ..linear() };
    assert_eq!(fails(none), "`host_kv_tokens` is 0, expected at least 1");
    let less = Scenario { host_kv_tokens: Some(9), ..linear() };
    assert_eq!(fails(less), "`host_kv_tokens` is 9, expected at least one block of 16 tokens");
    let slow = Scenario { host_kv_tokens: Some(9), host_gb_per_s: Some(0.0), ..linear() };
    assert_eq!(fails(slow), "`host_gb_per_s` is 0, expected a finite rate above 0");
    let places = slots("slots:slots=0", 100);
    assert_eq!(fails(places), "cache `slots`: `slots` is `0`, expected a whole number from 1 to 4096");
    assert!(fails(slots("radix:page=4", 100)).starts_with("cache `radix` takes no `page=4`, expected"));
}
