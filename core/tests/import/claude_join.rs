//! Claude Code: two sub-agents and a tool side by side, from the file to where the job's time goes.

use super::claude_code::*;
use atr_core::metrics::JobParts;
use atr_core::policy::{Arrivals, Scenario, simulate};
use atr_core::trace::Session;
use serde_json::{Value, json};

/// One reply at 1 s starts two sub-agents and a command. The command answers at 4 s, the first sub-agent's only reply comes at
/// 5 s and is handed over at 6 s, the other's at 8 s and 9 s; the main agent goes on at 12 s.
fn side_by_side() -> Session {
    let side = |line| with(line, json!({"isSidechain": true}));
    let usage = [10, 0, 100, 9];
    session(&[
        user("u1", Value::Null, 0, TEN),
        reply("a1", "u1", 1, "m1", tool("t1", "Task", json!({"prompt": "left"})), usage),
        reply("a2", "a1", 1, "m1", tool("t2", "Task", json!({"prompt": "right"})), usage),
        reply("a3", "a2", 1, "m1", tool("t3", "Bash", json!({})), usage),
        side(user("p1", Value::Null, 2, "left")),
        side(reply("p2", "p1", 5, "n1", text("l"), [5, 0, 50, 1])),
        side(user("s1", Value::Null, 2, "right")),
        side(reply("s2", "s1", 8, "n2", text("r"), [5, 0, 50, 1])),
        result("r3", "a3", 4, "t3", json!("ok")),
        result("r1", "r3", 6, "t1", json!("l")),
        result("r2", "r1", 9, "t2", json!("r")),
        reply("a4", "r2", 12, "m2", text("done"), [10, 30, 110, 9]),
    ])
}

#[test]
fn what_runs_side_by_side_is_joined() {
    let session = side_by_side();
    let graph: Vec<_> = session
        .calls
        .iter()
        .map(|call| {
            let mut after = call.after.clone();
            after.sort_unstable();
            (call.agent, after, call.delay_us)
        })
        .collect();
    assert_eq!(
        graph,
        [
            (0, vec![], None),
            (1, vec![0], Some(S)),
            (2, vec![0], Some(S)),
            // The last result came a second after the later sub-agent's word; the command was long done.
            (0, vec![0, 1, 2], Some(S)),
        ]
    );
    let tools: Vec<_> = session.calls[0].tools.iter().map(|tool| (tool.name.as_str(), tool.us)).collect();
    assert_eq!(tools, [("Task", Some(5 * S)), ("Task", Some(8 * S)), ("Bash", Some(3 * S))]);
}

/// 10 ms + 0.5 ms a token, 2 ms a further token, one call at a time. The main agent's 110 tokens and 9: 65 ms and 81. Both
/// sub-agents (55 tokens, 1) are due at 1,081: the first ends at 1,118.5, the other waits for it and ends at 1,156. The join (150
/// tokens, 9) is due at 2,156 and ends at 2,257.
#[test]
fn the_parts_of_the_job_are_those_of_the_hand() {
    let scenario = Scenario {
        policies: vec!["naive".to_owned()],
        profile: "linear:10,0.5,2".to_owned(),
        max_batch: 1,
        arrivals: Some(Arrivals::Concurrency { sessions: 1 }),
        ..Scenario::default()
    };
    let (_, runs) = simulate(&[side_by_side()], &scenario).unwrap();
    let ends: Vec<_> = runs[0].outcome.calls.iter().map(|call| call.finished_us.unwrap()).collect();
    assert_eq!(ends, [81_000, 1_118_500, 1_156_000, 2_257_000]);
    let parts = JobParts::of(&runs[0].workload, &runs[0].workload.sessions[0], &runs[0].outcome).unwrap();
    let expected = JobParts {
        routing: 0,
        queue: 37_500,
        prefill: 65_000 + 37_500 + 85_000,
        decode: 32_000,
        tool: 2_000_000,
    };
    assert_eq!(parts, expected);
    assert_eq!(parts.total(), 2_257_000);
}
