//! What goes out as ATIF and comes back is the same, as far as the format holds it.

use super::made::{Asked, Sizes, asked, session};
use super::{export, export_with, import};
use atr_core::import::tokens::BytesPerToken;
use atr_core::import::{HEAD_BYTES, Imported, Source, detect};
use atr_core::trace::{
    Call, CallRole, Ending, Mark, Message, MessageKind, MessageRole, Recorded, Run, Scope, Session, ToolUse,
    Transcript,
};
use proptest::prelude::*;

/// What a call is, wherever it was written down.
type Facts = (u32, String, u32, u32, u32, Option<u64>, Option<u64>, bool, Vec<ToolUse>, Option<Recorded>);

/// The calls, with agents numbered in the order of their first calls. Times count from the first of them.
/// What an agent's first call waits for is not compared: a sub-agent comes back behind its parent's call.
fn facts(session: &Session) -> Vec<Facts> {
    let mut agents: Vec<u32> = Vec::new();
    let start = session.calls.iter().find_map(|call| call.at_us).unwrap_or(0);
    let mut facts: Vec<Facts> = Vec::new();
    for call in &session.calls {
        let first = !agents.contains(&call.agent);
        if first {
            agents.push(call.agent);
        }
        facts.push((
            agents.iter().position(|agent| *agent == call.agent).unwrap() as u32,
            session.models[call.model as usize].clone(),
            call.prompt_tokens,
            call.output(),
            call.reasoning_tokens,
            call.at_us.map(|at| at - start),
            call.delay_us.filter(|_| !first),
            call.estimated,
            call.tools.clone(),
            call.recorded.clone(),
        ));
    }
    facts
}

/// What a message is: agent, role, kind, tokens.
fn messages(session: &Session) -> Vec<(u32, MessageRole, MessageKind, u32)> {
    session.messages.iter().map(|m| (m.agent, m.role, m.kind, m.tokens)).collect()
}

fn one(imported: Imported) -> Session {
    assert_eq!((imported.skipped.as_slice(), imported.format), (&[][..], "atif"));
    let [session] = <[Session; 1]>::try_from(imported.sessions).unwrap();
    session
}

/// Gives made calls what the format can hold: messages, replies, tools, reasoning, costs.
fn furnished(calls: &[Asked], seeds: &[(u32, u8, u8)]) -> Session {
    let mut session = session(0, Scope::Session, Sizes::Odd, calls);
    session.models = vec!["gpt-5".to_owned(), "claude-opus-4-5".to_owned()];
    session.harness = "openhands".to_owned();
    let mut views: Vec<(u32, Vec<Run>)> = Vec::new();
    for (call, &(tokens, tools, extra)) in session.calls.iter_mut().zip(seeds.iter().cycle()) {
        let place = views.iter().position(|(agent, _)| *agent == call.agent).unwrap_or_else(|| {
            views.push((call.agent, Vec::new()));
            views.len() - 1
        });
        let view = &mut views[place].1;
        let first = view.is_empty();
        let mut say = |role, kind, tokens: u32| {
            session.messages.push(message(call.agent, role, kind, tokens));
            session.messages.len() as u32 - 1
        };
        if first {
            Run::push(view, say(MessageRole::System, MessageKind::SystemPrompt, tokens));
            Run::push(view, say(MessageRole::User, MessageKind::Task, tokens + 7));
        } else {
            let role = if extra % 2 == 0 { MessageRole::Tool } else { MessageRole::User };
            Run::push(view, say(role, MessageKind::Observation, tokens + 1));
        }
        call.view = view.clone();
        let reply = say(MessageRole::Assistant, MessageKind::Action, tokens + 3);
        Run::push(view, reply);
        call.reply = Some(reply);
        call.prompt_tokens = call
            .view
            .iter()
            .flat_map(|run| run.indices())
            .map(|at| session.messages[at as usize].tokens)
            .sum();
        call.prompt.clear();
        call.model = u32::from(extra % 3 == 0);
        call.reasoning_tokens = call.output() / 3;
        call.estimated = extra % 5 == 0;
        call.tools = (0..tools % 3).map(|n| tool(n, extra)).collect();
        let recorded = call.recorded.as_mut().unwrap();
        recorded.cached_tokens = (extra % 2 == 0).then(|| u64::from(call.prompt_tokens / 2));
        recorded.cache_write_tokens = (extra % 3 == 0).then_some(u64::from(extra));
        recorded.output_tokens = (extra % 7 == 0).then_some(1);
        recorded.ttft_us = (extra % 4 == 0).then_some(u64::from(tokens));
        recorded.cost_usd = (extra % 2 == 1).then(|| f64::from(extra) / 64.0);
    }
    session.segments.clear();
    session
}

fn message(agent: u32, role: MessageRole, kind: MessageKind, tokens: u32) -> Message {
    Message {
        agent,
        role,
        kind,
        tokens,
        parts: Vec::new(),
        tool: None,
        lines: 0,
        words: 0,
        path: None,
        window: None,
        tags: Vec::new(),
    }
}

fn tool(number: u8, extra: u8) -> ToolUse {
    let name = if number == 0 { "bash" } else { "str_replace_editor" };
    let us = extra.is_multiple_of(2).then_some(u64::from(extra) * 1_000);
    ToolUse { name: name.to_owned(), us, ok: [None, Some(true), Some(false)][usize::from(extra) % 3] }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Calls come back with their counts, times, tools and agents, and messages with their sizes.
    #[test]
    fn calls_and_messages_come_back(
        calls in asked(4, false),
        seeds in prop::collection::vec((1_u32..5_000, any::<u8>(), any::<u8>()), 1..8),
    ) {
        let made = furnished(&calls, &seeds);
        let (text, _) = export("atif", std::slice::from_ref(&made));
        let back = one(import(text.as_bytes()));
        prop_assert_eq!(facts(&back), facts(&made));
        prop_assert_eq!((&back.id, &back.harness, &back.models[0]), (&made.id, &made.harness, first_model(&made)));
        // Messages of an agent keep their order; agents may come in another.
        let of = |session: &Session, agent: u32| {
            let own: Vec<_> = messages(session).into_iter().filter(|m| m.0 == agent).map(|m| (m.1, m.2, m.3)).collect();
            own
        };
        let firsts = |session: &Session| {
            let mut agents: Vec<u32> = Vec::new();
            for call in &session.calls {
                if !agents.contains(&call.agent) {
                    agents.push(call.agent);
                }
            }
            agents
        };
        for (a, b) in firsts(&made).into_iter().zip(firsts(&back)) {
            let (mut ours, theirs) = (of(&made, a), of(&back, b));
            // The role of a reply or a prompt is told by the step, that of a result by the step's `extra`.
            ours.truncate(theirs.len());
            prop_assert_eq!(theirs, ours);
        }
        // What was exported twice is what was exported once.
        prop_assert_eq!(&back.marks.contains(&Mark::SubagentOnly), &false);
        let (again, _) = export("atif", std::slice::from_ref(&back));
        prop_assert_eq!(facts(&one(import(again.as_bytes()))), facts(&back));
    }

    /// Sessions that know no messages come back with their calls.
    #[test]
    fn calls_without_messages_come_back(calls in asked(3, true)) {
        let made = session(0, Scope::Session, Sizes::Odd, &calls);
        // A call of no prompt and no output is one of unknown counts.
        prop_assume!(made.calls.iter().all(|call| call.prompt_tokens > 0));
        let (text, _) = export("atif", std::slice::from_ref(&made));
        let back = one(import(text.as_bytes()));
        prop_assert_eq!(facts(&back), facts(&made));
        prop_assert!(back.messages.is_empty());
    }
}

/// Reads several files into one set.
fn import_together(files: &[&[u8]]) -> Vec<Session> {
    let mut into = Imported::default();
    for file in files {
        let source = Source { name: "file", counter: &BytesPerToken::default(), keep_text: false };
        let importer = detect("file", &file[..file.len().min(HEAD_BYTES)]).unwrap();
        importer.read(&mut &**file, &source, &mut into).unwrap();
    }
    into.finish();
    into.sessions
}

fn first_model(session: &Session) -> &String {
    &session.models[session.calls[0].model as usize]
}

#[test]
fn sub_agents_come_back_behind_the_call_that_started_them() {
    let imported = import(include_bytes!("../fixtures/import/claude-code.json"));
    let made = &imported.sessions[0];
    let back = one(import(export("atif", &imported.sessions).0.as_bytes()));
    assert_eq!(back.calls.len(), made.calls.len());
    let firsts = |session: &Session| -> Vec<(u32, Vec<u32>)> {
        let mut agents = vec![0];
        let mut found = Vec::new();
        for call in &session.calls {
            if !agents.contains(&call.agent) {
                agents.push(call.agent);
                found.push((call.id, call.after.clone()));
            }
        }
        found
    };
    assert_eq!(firsts(&back), firsts(made));
    assert!(back.calls.iter().all(|call| (call.agent > 0) == (call.role == CallRole::Subagent)));
}

#[test]
fn texts_come_back_with_kinds_roles_and_sharing() {
    for file in [
        &include_bytes!("../fixtures/import/run.traj.json")[..],
        include_bytes!("../fixtures/import/run-newer.traj.json"),
    ] {
        let imported = import(file);
        let made = &imported.sessions[0];
        let (text, _) = export_with("atif", &imported.sessions, &imported.transcripts, None);
        let again = import(text.as_bytes());
        let texts = |transcripts: &[Transcript], session: &Session| -> Vec<String> {
            let own = transcripts.iter().find(|transcript| transcript.id == session.id).unwrap();
            own.messages[..session.messages.len()].iter().map(|message| message.text.clone()).collect()
        };
        let back = &again.sessions[0];
        assert_eq!(messages(back), messages(made));
        assert_eq!(texts(&again.transcripts, back), texts(&imported.transcripts, made));
        assert_eq!(facts(back), facts(made));
        // Equal texts of equal roles have equal identities, whichever format they came in.
        let both = import_together(&[file, text.as_bytes()]);
        let first = |session: &Session| session.segments[session.messages[0].parts[0] as usize];
        assert_eq!(first(&both[0]), first(&both[1]));
    }
}

#[test]
fn an_ending_comes_back() {
    let mut made = session(0, Scope::Session, Sizes::Odd, &[(0, vec![1], 0, 3, (1, 1))]);
    for (exit, submitted, resolved) in [
        ("submitted", true, Some(true)),
        ("exit_cost", true, None),
        ("exit_error", false, Some(false)),
        ("unknown", false, None),
    ] {
        let ending = Ending { exit: exit.to_owned(), submitted, resolved, cost_usd: Some(0.5) };
        made.outcome = Some(ending.clone());
        let back = one(import(export("atif", std::slice::from_ref(&made)).0.as_bytes()));
        assert_eq!(back.outcome, Some(ending));
    }
    made.outcome = None;
    let back = one(import(export("atif", std::slice::from_ref(&made)).0.as_bytes()));
    assert_eq!(back.outcome, None);
}

#[test]
fn messages_without_their_text_share_with_no_other_session() {
    let calls = [(0, vec![1], 0, 3, (1, 1)), (0, vec![2], 0, 3, (1, 1))];
    let mut made: Vec<Session> = (0..2).map(|_| furnished(&calls, &[(100, 0, 0)])).collect();
    made[1].id = "other".to_owned();
    let back = import(export("atif", &made).0.as_bytes()).sessions;
    let ids = |session: &Session| -> Vec<u64> { session.segments.iter().map(|segment| segment.id).collect() };
    assert!(ids(&back[0]).iter().all(|id| !ids(&back[1]).contains(id)));
    let call: &Call = &back[0].calls[1];
    assert_eq!(
        call.view.iter().map(|run| run.count).sum::<u32>(),
        4,
        "and its own prompts share all they had"
    );
}
