//! Sessions of a known law, made by hand: what a fit finds in them can be calculated.

use atr_core::trace::{Call, CallRole, Message, MessageKind, MessageRole, Run, Scope, Segment, Session};

/// One turn: output, new input, delay; and, where the prompt is cut behind it, the share kept.
#[derive(Clone, Copy)]
pub(crate) struct TurnLaw {
    pub(crate) output: u32,
    pub(crate) input: u32,
    pub(crate) delay_us: u64,
    pub(crate) cut: bool,
}

/// A session whose prompt begins with 1,000 tokens of tools, 500 of system prompt and a task. A cut
/// keeps tools and system prompt and puts a summary of 700 tokens behind them.
pub(crate) fn session(id: &str, task: u32, turns: &[TurnLaw]) -> Session {
    let mut session = Session {
        id: id.to_owned(),
        source: "test".to_owned(),
        harness: "hand-made".to_owned(),
        models: vec!["gpt-5".to_owned()],
        scope: Scope::Session,
        block_tokens: None,
        counts_from: "source".to_owned(),
        marks: Vec::new(),
        messages: Vec::new(),
        segments: Vec::new(),
        calls: Vec::new(),
        outcome: None,
    };
    let mut view = vec![
        add(&mut session, MessageRole::System, MessageKind::Tools, 1_000),
        add(&mut session, MessageRole::System, MessageKind::SystemPrompt, 500),
        add(&mut session, MessageRole::User, MessageKind::Task, task),
    ];
    let mut delay_us = None;
    for (id, law) in (0..).zip(turns) {
        let mut runs = Vec::new();
        view.iter().for_each(|&message| Run::push(&mut runs, message));
        let prompt_tokens = view.iter().map(|&message| session.messages[message as usize].tokens).sum();
        session.calls.push(Call {
            id,
            role: CallRole::Agent,
            after: id.checked_sub(1).into_iter().collect(),
            delay_us,
            prompt: runs.clone(),
            prompt_tokens,
            view: runs,
            output_tokens: Some(law.output),
            ..Call::default()
        });
        if law.cut {
            view.truncate(2);
            view.push(add(&mut session, MessageRole::User, MessageKind::Other, 700));
        } else {
            let reply = add(&mut session, MessageRole::Assistant, MessageKind::Action, law.output);
            session.calls[id as usize].reply = Some(reply);
            view.extend([reply, add(&mut session, MessageRole::Tool, MessageKind::Observation, law.input)]);
        }
        delay_us = Some(law.delay_us);
    }
    session
}

/// A message with one segment of its own: both have the same index.
fn add(session: &mut Session, role: MessageRole, kind: MessageKind, tokens: u32) -> u32 {
    let index = session.segments.len() as u32;
    session.segments.push(Segment { id: index.into(), tokens });
    session.messages.push(Message {
        agent: 0,
        role,
        kind,
        tokens,
        parts: vec![index],
        tool: None,
        lines: 0,
        words: 0,
        path: None,
        window: None,
        tags: Vec::new(),
    });
    index
}

/// Numbers that look random and are not: the multiples of the golden ratio, in 0..1.
pub(crate) fn spread(place: u32) -> f64 {
    (f64::from(place) * 0.618_033_988_749_894_9).fract()
}

/// 200 sessions of 5 to 24 turns; the size of outputs is a matter of the session alone, that of inputs
/// of the turn alone, uniform in 100..1,100.
pub(crate) fn sessions() -> Vec<Session> {
    let mut turn = 0;
    (0..200)
        .map(|number| {
            let own = 50 + (450.0 * spread(7 * number + 3)) as u32;
            let turns: Vec<TurnLaw> = (0..5 + number % 20)
                .map(|_| {
                    turn += 1;
                    let input = 100 + (1_000.0 * spread(turn)) as u32;
                    let delay_us = (1e6 + 9e6 * spread(3 * turn + 1)) as u64;
                    TurnLaw { output: own + turn % 5, input, delay_us, cut: false }
                })
                .collect();
            session(&format!("hand-{number}"), 200 + 10 * number, &turns)
        })
        .collect()
}
