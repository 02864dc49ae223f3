//! What folding must keep, for all inputs: every shared prefix to the chunk, every length, and itself
//! when done twice.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

use atr_core::trace::fold::{fold, fold_one};
use atr_core::trace::{Call, Message, MessageKind, MessageRole, Run, Scope, Segment, Session, validate};
use proptest::prelude::*;

/// A prompt or a message, as chunk ids. A chunk's length follows from its id.
type Chunks = Vec<u64>;

fn tokens(id: u64) -> u32 {
    1 + (id % 7) as u32
}

fn total(chunks: &[u64]) -> u64 {
    chunks.iter().map(|&id| u64::from(tokens(id))).sum()
}

/// A session of these prompts and messages. Where `reuse` says so, a prompt names the chunks that the
/// one before it has in common with it instead of listing them again, as importers do.
fn session(scope: Scope, prompts: &[(Chunks, bool)], messages: &[Chunks]) -> Session {
    let mut session = Session {
        id: "s".into(),
        source: "test".into(),
        harness: String::new(),
        models: vec!["m".into()],
        scope,
        block_tokens: None,
        counts_from: "source".into(),
        marks: Vec::new(),
        messages: Vec::new(),
        segments: Vec::new(),
        calls: Vec::new(),
        outcome: None,
    };
    let mut before: Vec<(u64, u32)> = Vec::new();
    for (number, (prompt, reuse)) in (0..).zip(prompts) {
        let shared = before.iter().zip(prompt).take_while(|((id, _), new)| *reuse && id == *new).count();
        let mut places = before[..shared].to_vec();
        for &id in &prompt[shared..] {
            places.push((id, session.segments.len() as u32));
            session.segments.push(Segment { id, tokens: tokens(id) });
        }
        let mut runs = Vec::new();
        places.iter().for_each(|(_, place)| Run::push(&mut runs, *place));
        // No prompt is empty: one without chunks has a tail without identity.
        let prompt_tokens = total(prompt).max(1) as u32;
        session.calls.push(Call { id: number, prompt: runs, prompt_tokens, ..Call::default() });
        before = places;
    }
    for message in messages {
        let first = session.segments.len() as u32;
        session.segments.extend(message.iter().map(|&id| Segment { id, tokens: tokens(id) }));
        session.messages.push(Message {
            agent: 0,
            role: MessageRole::User,
            kind: MessageKind::Other,
            tokens: total(message) as u32,
            parts: (first..first + message.len() as u32).collect(),
            tool: None,
            lines: 0,
            words: 0,
            path: None,
            window: None,
            tags: Vec::new(),
        });
    }
    session
}

/// The segments of every prompt of a session, in order.
fn prompts(session: &Session) -> Vec<Vec<Segment>> {
    let segment = |index: u32| session.segments[index as usize];
    let prompt = |call: &Call| call.prompt.iter().flat_map(|run| run.indices()).map(segment).collect();
    session.calls.iter().map(prompt).collect()
}

fn shared_tokens(a: &[Segment], b: &[Segment]) -> u64 {
    a.iter().zip(b).take_while(|(a, b)| a.id == b.id).map(|(a, _)| u64::from(a.tokens)).sum()
}

/// Chunk lists that often begin alike: few ids, and prompts that extend or cut the one before.
fn sets() -> impl Strategy<Value = Vec<Vec<(Chunks, bool)>>> {
    let step = (0_usize..12, prop::collection::vec(0_u64..40, 0..8), any::<bool>());
    let session = prop::collection::vec(step, 1..8).prop_map(|steps| {
        let mut prompt: Chunks = Vec::new();
        let mut prompts = Vec::new();
        for (keep, new, reuse) in steps {
            prompt.truncate(keep);
            prompt.extend(new);
            prompts.push((prompt.clone(), reuse));
        }
        prompts
    });
    prop::collection::vec(session, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 400 } else { 2_000 }))]

    #[test]
    fn every_shared_prefix_is_kept(set in sets(), scope in prop_oneof![Just(Scope::Set), Just(Scope::Session)],
                                   messages in prop::collection::vec(prop::collection::vec(0_u64..40, 0..6), 0..4)) {
        let mut folded: Vec<Session> = set.iter().map(|prompts| session(scope, prompts, &messages)).collect();
        fold(&mut folded);
        for (a, session_a) in folded.iter().enumerate() {
            prop_assert!(validate(session_a).is_ok());
            let prompts_a = prompts(session_a);
            for (b, session_b) in folded.iter().enumerate() {
                if scope == Scope::Session && a != b {
                    continue;
                }
                let prompts_b = prompts(session_b);
                for (i, (chunks_a, _)) in set[a].iter().enumerate() {
                    for (j, (chunks_b, _)) in set[b].iter().enumerate() {
                        let shared = chunks_a.iter().zip(chunks_b).take_while(|(x, y)| x == y).count();
                        prop_assert_eq!(shared_tokens(&prompts_a[i], &prompts_b[j]), total(&chunks_a[..shared]));
                    }
                }
            }
            for (prompt, (chunks, _)) in prompts_a.iter().zip(&set[a]) {
                prop_assert_eq!(prompt.iter().map(|s| u64::from(s.tokens)).sum::<u64>(), total(chunks));
            }
            for (message, chunks) in session_a.messages.iter().zip(&messages) {
                let parts = message.parts.iter().map(|&part| u64::from(session_a.segments[part as usize].tokens));
                prop_assert_eq!(parts.sum::<u64>(), total(chunks));
            }
        }
    }

    #[test]
    fn folding_twice_changes_nothing(set in sets(), scope in prop_oneof![Just(Scope::Set), Just(Scope::Session)],
                                     messages in prop::collection::vec(prop::collection::vec(0_u64..40, 0..6), 0..4)) {
        let mut once: Vec<Session> = set.iter().map(|prompts| session(scope, prompts, &messages)).collect();
        fold(&mut once);
        let mut twice = once.clone();
        fold(&mut twice);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn ids_are_dense(set in sets(), scope in prop_oneof![Just(Scope::Set), Just(Scope::Session)]) {
        let mut folded: Vec<Session> = set.iter().map(|prompts| session(scope, prompts, &[])).collect();
        fold(&mut folded);
        let groups: Vec<&[Session]> = if scope == Scope::Set { vec![&folded] } else { folded.chunks(1).collect() };
        for group in groups {
            let mut ids: Vec<u64> = group.iter().flat_map(|s| &s.segments).map(|segment| segment.id).collect();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(&ids, &(0..ids.len() as u64).collect::<Vec<_>>());
            // One place per identity in each session, and no segment that nothing names.
            for session in group {
                let mut own: Vec<u64> = session.segments.iter().map(|segment| segment.id).collect();
                own.sort_unstable();
                own.dedup();
                prop_assert_eq!(own.len(), session.segments.len());
                let named = prompts(session).concat();
                prop_assert!(own.iter().all(|id| named.iter().any(|segment| segment.id == *id)));
            }
        }
    }

    /// How an importer lists chunks is no business of the result's.
    #[test]
    fn listing_again_or_reusing_is_the_same(set in sets()) {
        let fold_with = |reuse: bool| {
            let prompts = |prompts: &Vec<(Chunks, bool)>| {
                let prompts: Vec<_> = prompts.iter().map(|(chunks, _)| (chunks.clone(), reuse)).collect();
                session(Scope::Set, &prompts, &[])
            };
            let mut folded: Vec<Session> = set.iter().map(prompts).collect();
            fold(&mut folded);
            folded
        };
        prop_assert_eq!(fold_with(true), fold_with(false));
    }
}

/// Segment lengths of every prompt, for hand-made cases.
fn lengths(prompts_of: &[Chunks], messages: &[Chunks]) -> Vec<Vec<u32>> {
    let prompts_of: Vec<_> = prompts_of.iter().map(|chunks| (chunks.clone(), false)).collect();
    let mut session = session(Scope::Session, &prompts_of, messages);
    fold_one(&mut session);
    prompts(&session).iter().map(|prompt| prompt.iter().map(|segment| segment.tokens).collect()).collect()
}

#[test]
fn the_fewest_segments_by_hand() {
    // tokens(n) is n + 1 below 7.
    assert_eq!(lengths(&[vec![0, 1, 2]], &[]), [[6]], "one prompt is one segment");
    assert_eq!(
        lengths(&[vec![0, 1, 2], vec![0, 1, 3]], &[]),
        [[3, 3], [3, 4]],
        "two prompts part where they differ"
    );
    assert_eq!(lengths(&[vec![0, 1], vec![0, 1, 2, 3]], &[]), [vec![3], vec![3, 7]], "growth is one segment");
    assert_eq!(lengths(&[vec![0, 0, 0]], &[]), [[1, 1, 1]], "a chunk beside itself stays alone");
    assert_eq!(lengths(&[vec![0, 1, 2]], &[vec![0], vec![1, 2]]), [[1, 5]], "messages are never joined");
    assert_eq!(
        lengths(&[vec![0, 1, 2, 3], vec![0, 1, 4], vec![2, 3]], &[]),
        [vec![3, 7], vec![3, 5], vec![7]],
        "a common middle is one segment"
    );
}

#[test]
fn equal_ids_of_unequal_length_are_different_chunks() {
    let mut session = session(Scope::Session, &[(vec![1], false), (vec![1], false)], &[]);
    session.segments[1].tokens += 1;
    fold_one(&mut session);
    let prompts = prompts(&session);
    assert_ne!(prompts[0][0].id, prompts[1][0].id);
}

#[test]
fn local_ids_of_two_sessions_do_not_meet() {
    let prompts_of = [(vec![0, 1, 2], false)];
    let other = [(vec![0, 1], false)];
    let mut folded = [session(Scope::Session, &prompts_of, &[]), session(Scope::Session, &other, &[])];
    fold(&mut folded);
    assert_eq!(prompts(&folded[0])[0].len(), 1, "the other session must not cut this one");
    let mut folded = [session(Scope::Set, &prompts_of, &[]), session(Scope::Set, &other, &[])];
    fold(&mut folded);
    assert_eq!(prompts(&folded[0])[0].len(), 2, "ids that hold across the set must");
}
