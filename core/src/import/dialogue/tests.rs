//! Views, replies, sizes, hidden preambles, totals, order and times. Four bytes are a token here.

use super::{Asked, Counts, Dialogue, Said, Totals};
use crate::import::tokens::BytesPerToken;
use crate::import::{Imported, Source};
use crate::trace::{CallRole, MessageKind, MessageRole, Run, Session, Tag};
use MessageRole::{Assistant, System, User};

fn finish(dialogue: Dialogue<'_>) -> Session {
    let source = Source { name: "test", counter: &BytesPerToken::default(), keep_text: false };
    let mut into = Imported::default();
    assert!(dialogue.finish("test", &source, &mut into), "{:?}", into.skipped);
    into.sessions.remove(0)
}

fn message(role: MessageRole, text: &str) -> Said<'static> {
    let kind = match role {
        System => MessageKind::SystemPrompt,
        Assistant => MessageKind::Action,
        _ => MessageKind::Observation,
    };
    Said::new(role, kind, text.to_owned())
}

/// Everything said so far.
fn all(dialogue: &Dialogue<'_>) -> Vec<Run> {
    vec![Run { first: 0, count: dialogue.said.len() as u32 }]
}

/// Reads each prompt, and lets the model answer with the text that follows it.
fn repeated(prompts: &[(&[(MessageRole, &str)], &str)]) -> Session {
    let mut dialogue = Dialogue::new("s", "h");
    for (prompt, reply) in prompts {
        let view = dialogue.prompt(0, prompt.iter().map(|(role, text)| message(*role, text)));
        let call = dialogue.ask(Asked { view, ..Asked::default() });
        dialogue.answered(call, message(Assistant, reply));
    }
    finish(dialogue)
}

fn views(session: &Session) -> Vec<Vec<u32>> {
    let view = |runs: &Vec<Run>| runs.iter().flat_map(|run| run.indices()).collect();
    session.calls.iter().map(|call| view(&call.view)).collect()
}

fn replies(session: &Session) -> Vec<Option<u32>> {
    session.calls.iter().map(|call| call.reply).collect()
}

#[test]
fn a_prompt_that_only_grows_repeats_what_was_said() {
    let session = repeated(&[
        (&[(System, "sys"), (User, "task")], "a"),
        (&[(System, "sys"), (User, "task"), (Assistant, "a"), (User, "o")], "b"),
    ]);
    assert_eq!(views(&session), [vec![0, 1], vec![0, 1, 2, 3]]);
    assert_eq!(replies(&session), [Some(2), Some(4)]);
}

#[test]
fn the_same_words_said_twice_are_two_messages() {
    let session = repeated(&[
        (&[(System, "s"), (User, "x"), (User, "x")], "a"),
        (&[(System, "s"), (User, "x"), (User, "x"), (Assistant, "a"), (User, "x")], "a"),
    ]);
    assert_eq!(views(&session), [vec![0, 1, 2], vec![0, 1, 2, 3, 4]]);
    assert_eq!(replies(&session), [Some(3), Some(5)]);
}

#[test]
fn what_stands_behind_a_change_is_found_again() {
    let session = repeated(&[
        (&[(System, "s"), (User, "long"), (Assistant, "a"), (User, "p")], "b"),
        (
            &[(System, "s"), (User, "omitted"), (Assistant, "a"), (User, "p"), (Assistant, "b"), (User, "q")],
            "c",
        ),
    ]);
    assert_eq!(views(&session), [vec![0, 1, 2, 3], vec![0, 4, 2, 3, 5, 6]]);
    assert_eq!(replies(&session), [Some(5), Some(7)]);
}

#[test]
fn a_reply_is_what_the_next_prompt_makes_of_it() {
    let prompt: [(MessageRole, &str); 3] =
        [(System, "s"), (Assistant, "a, without its reasoning"), (User, "o")];
    let session = repeated(&[(&[(System, "s")], "reasoning, and a"), (&prompt, "b")]);
    assert_eq!(replies(&session), [Some(1), Some(3)]);
    assert_eq!(session.messages.len(), 4);
}

#[test]
fn agents_do_not_share_messages() {
    let mut dialogue = Dialogue::new("s", "h");
    for agent in [0, 1, 0] {
        let view = dialogue.prompt(agent, [message(System, "s"), message(User, "t")]);
        dialogue.ask(Asked { agent, view, ..Asked::default() });
    }
    assert_eq!(views(&finish(dialogue)), [[0, 1], [2, 3], [0, 1]]);
}

/// 40 bytes: 10 tokens.
const TEN: &str = "0123456789012345678901234567890123456789";

#[test]
fn a_hidden_preamble_takes_what_the_first_total_leaves_over() {
    let mut dialogue = Dialogue::new("s", "h");
    dialogue.say(Said::hidden(0));
    dialogue.say(message(User, TEN));
    let usage = |prompt| Some(Counts { prompt: Some(prompt), output: Some(5), ..Counts::default() });
    dialogue.ask(Asked { view: all(&dialogue), usage: usage(1_010), ..Asked::default() });
    dialogue.say(message(User, TEN));
    dialogue.ask(Asked { view: all(&dialogue), usage: usage(1_022), ..Asked::default() });
    let session = finish(dialogue);
    let tokens: Vec<u32> = session.messages.iter().map(|message| message.tokens).collect();
    assert_eq!(tokens, [1_000, 10, 12]);
    assert_eq!(session.messages[0].tags, [Tag::Residual]);
    assert!(session.messages[1].tags.is_empty());
}

#[test]
fn a_hidden_preamble_is_its_session_s_own() {
    let preamble = |id: &str| {
        let mut dialogue = Dialogue::new(id, "h");
        dialogue.say(Said::hidden(0));
        dialogue.say(message(User, TEN));
        dialogue.ask(Asked { view: all(&dialogue), ..Asked::default() });
        finish(dialogue).segments.iter().map(|segment| segment.id).collect::<Vec<_>>()
    };
    let (a, b) = (preamble("a"), preamble("b"));
    assert_ne!(a[0], b[0]);
    assert_eq!(a[1], b[1], "what was said is the same everywhere");
}

#[test]
fn totals_of_a_session_scale_its_sizes_if_they_are_close() {
    let sized = |prompt, output| {
        let mut dialogue = Dialogue::new("s", "h");
        dialogue.say(message(User, TEN));
        let reply = dialogue.say(message(Assistant, TEN));
        dialogue.say(message(User, TEN));
        dialogue.ask(Asked {
            view: vec![Run { first: 0, count: 1 }],
            reply: Some(reply),
            ..Asked::default()
        });
        dialogue.ask(Asked { view: vec![Run { first: 0, count: 3 }], ..Asked::default() });
        dialogue.totals = Some(Totals { prompt, output });
        let session = finish(dialogue);
        assert!(session.calls.iter().all(|call| call.estimated));
        (session.prompt_tokens(), session.calls[0].output())
    };
    // Prompts of 10 and 30 tokens, a reply of 10.
    assert_eq!(sized(60, 12), (60, 12));
    assert_eq!(sized(400, 12), (40, 12), "ten times as much is not the same calls");
    assert_eq!(sized(0, 0), (40, 10), "nothing means unknown");
}

#[test]
fn agents_are_merged_by_time_and_waits_are_renumbered() {
    let mut dialogue = Dialogue::new("s", "h");
    dialogue.say(message(User, "t"));
    let call = |agent: u32, sent: u64, done: u64, after| Asked {
        agent,
        role: if agent == 0 { CallRole::Agent } else { CallRole::Subagent },
        view: vec![Run { first: 0, count: 1 }],
        sent_us: Some(sent),
        done_us: Some(done),
        after,
        ..Asked::default()
    };
    dialogue.ask(call(0, 1_000, 1_100, None));
    dialogue.ask(call(0, 2_000, 2_100, Some(vec![0, 3])));
    dialogue.ask(call(1, 1_200, 1_300, Some(vec![0])));
    dialogue.ask(call(1, 1_350, 1_600, None));
    let session = finish(dialogue);
    let found: Vec<_> = session
        .calls
        .iter()
        .map(|call| (call.agent, call.at_us, call.delay_us, call.after.clone()))
        .collect();
    assert_eq!(
        found,
        [
            (0, Some(0), None, vec![]),
            (1, Some(200), Some(100), vec![0]),
            (1, Some(350), Some(50), vec![1]),
            (0, Some(1_000), Some(400), vec![0, 2]),
        ]
    );
}

#[test]
fn a_stamp_that_runs_backwards_does_not_turn_an_agent_s_calls_round() {
    let mut dialogue = Dialogue::new("s", "h");
    dialogue.say(message(User, "t"));
    for (number, sent) in [Some(500), Some(400), None, Some(600)].into_iter().enumerate() {
        let output = Some(number as u32);
        dialogue.ask(Asked {
            view: vec![Run { first: 0, count: 1 }],
            usage: Some(Counts { prompt: Some(1), output, ..Counts::default() }),
            sent_us: sent,
            done_us: sent,
            ..Asked::default()
        });
    }
    let session = finish(dialogue);
    let found: Vec<_> = session.calls.iter().map(|call| (call.output(), call.at_us, call.delay_us)).collect();
    assert_eq!(found, [(0, Some(0), None), (1, Some(0), Some(0)), (2, None, None), (3, Some(100), None)]);
}

#[test]
fn what_was_never_sent_is_no_message_of_the_session() {
    let mut dialogue = Dialogue::new("s", "h");
    dialogue.say(message(User, "t"));
    dialogue.ask(Asked { view: all(&dialogue), ..Asked::default() });
    dialogue.say(message(User, "too late"));
    assert_eq!(finish(dialogue).messages.len(), 1);
}

#[test]
fn a_delay_that_the_source_names_needs_no_stamps() {
    let mut dialogue = Dialogue::new("s", "h");
    for delay_us in [None, Some(250)] {
        let view = dialogue.prompt(0, [message(User, "task")]);
        let call = dialogue.ask(Asked { view, delay_us, ..Asked::default() });
        dialogue.answered(call, message(Assistant, "reply"));
    }
    let session = finish(dialogue);
    let times: Vec<_> = session.calls.iter().map(|call| (call.at_us, call.delay_us)).collect();
    assert_eq!(times, [(None, None), (None, Some(250))]);
}
