//! Large files of our own making, for what public sources at hand are too small to show: one long session, and
//! prompts that are repeated whole with every call.

use std::fmt::Write as _;

/// Words of code and of its talk, as deterministic as a bench must be.
struct Words(u64);

impl Words {
    /// A text of at least so many bytes as JSON, quotes included: a line break about every seven words.
    fn json(&mut self, bytes: u64) -> String {
        const WORDS: [&str; 12] = [
            "let",
            "return",
            "path",
            "error:",
            "src/lib.rs",
            "(a == b)",
            "\\\"name\\\"",
            "—",
            "warning",
            "0x7f",
            "}",
            "ok",
        ];
        let mut text = "\"".to_owned();
        while (text.len() as u64) < bytes {
            let word = WORDS[self.below(WORDS.len() as u64) as usize];
            let end = if self.below(7) == 0 { "\\n" } else { " " };
            let _ = write!(text, "{word}{}{end}", self.below(1_000));
        }
        text.push('"');
        text
    }

    /// A number below `limit`: the upper bits of a linear congruence.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// One session of Claude Code that is never compacted: each result of a tool stands twice, as it does in
/// real files.
pub(super) fn claude_code(bytes: usize) -> Vec<u8> {
    let (mut words, mut file, mut cached) = (Words(1), String::new(), 0);
    let stamp = |n: u64| {
        let (day, hour, minute) = (1 + n / 86_400, n / 3_600 % 24, n / 60 % 60);
        format!("2025-06-{day:02}T{hour:02}:{minute:02}:{:02}.000Z", n % 60)
    };
    let line = |kind: &str, uuid: &str, parent: &str, n: u64, rest: &str| {
        let stamp = stamp(n);
        format!(
            "{{\"parentUuid\":{parent},\"isSidechain\":false,\"userType\":\"external\",\"cwd\":\"/synthetic\",\"sessionId\":\"synthetic\",\"version\":\"2.1.0\",\"gitBranch\":\"\",\"type\":\"{kind}\",\"uuid\":\"{uuid}\",\"timestamp\":\"{stamp}\",{rest}}}\n"
        )
    };
    let task = words.json(400);
    file += &line("user", "r0", "null", 0, &format!("\"message\":{{\"role\":\"user\",\"content\":{task}}}"));
    let mut turn = 0;
    while file.len() < bytes {
        turn += 1;
        let n = 3 * turn;
        let new = 400 + words.below(3_600);
        let parts = [
            format!("{{\"type\":\"text\",\"text\":{}}}", words.json(120)),
            format!(
                "{{\"type\":\"tool_use\",\"id\":\"t{turn}\",\"name\":\"Bash\",\"input\":{{\"command\":{}}}}}",
                words.json(80)
            ),
        ];
        let parents = [format!("\"r{}\"", turn - 1), format!("\"a{turn}\"")];
        for ((part, parent), name) in parts.iter().zip(parents).zip(["a", "b"]) {
            let reply = format!(
                "\"requestId\":\"q\",\"message\":{{\"id\":\"m{turn}\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5\",\"content\":[{part}],\"stop_reason\":null,\"usage\":{{\"input_tokens\":10,\"cache_creation_input_tokens\":{},\"cache_read_input_tokens\":{cached},\"output_tokens\":80}}}}",
                new / 4
            );
            file += &line("assistant", &format!("{name}{turn}"), &parent, n, &reply);
        }
        cached += new / 4;
        let text = words.json(new);
        let result = format!(
            "\"message\":{{\"role\":\"user\",\"content\":[{{\"type\":\"tool_result\",\"tool_use_id\":\"t{turn}\",\"content\":{text}}}]}},\"toolUseResult\":{{\"stdout\":{text},\"stderr\":\"\"}}"
        );
        file += &line("user", &format!("r{turn}"), &format!("\"b{turn}\""), n + 1, &result);
    }
    file.into_bytes()
}

/// Trajectories of runs of 300 steps, one behind the other, as a folder of them is piped in: each step with
/// its reasoning, a call, its result and its counts.
pub(super) fn atif(bytes: usize) -> Vec<u8> {
    let (mut words, mut file) = (Words(3), String::new());
    let mut run = 0;
    while file.len() < bytes {
        run += 1;
        let schemas = words.json(4_000);
        let _ = write!(
            file,
            "{{\"schema_version\":\"ATIF-v1.4\",\"session_id\":\"synthetic-{run}\",\"agent\":{{\"name\":\"terminus-2\",\"version\":\"2.0.0\",\"model_name\":\"claude-sonnet-4-5\",\"tool_definitions\":[{{\"type\":\"function\",\"function\":{{\"name\":\"bash\",\"description\":{schemas}}}}}]}},\"steps\":[{{\"step_id\":1,\"timestamp\":\"2025-11-21T10:00:00.000Z\",\"source\":\"system\",\"message\":{}}},{{\"step_id\":2,\"timestamp\":\"2025-11-21T10:00:01.000Z\",\"source\":\"user\",\"message\":{}}}",
            words.json(2_000),
            words.json(400)
        );
        let mut prompt = 2_000;
        for step in 3..303 {
            let (thought, said) = (words.json(240), words.json(120));
            let (command, new) = (words.json(80), 400 + words.below(3_600));
            let result = words.json(new);
            let (hour, minute, second) = (10 + step / 360, step / 6 % 60, step % 6 * 10);
            let _ = write!(
                file,
                ",{{\"step_id\":{step},\"timestamp\":\"2025-11-21T{hour}:{minute:02}:{second:02}.000Z\",\"source\":\"agent\",\"model_name\":\"claude-sonnet-4-5\",\"message\":{said},\"reasoning_content\":{thought},\"tool_calls\":[{{\"tool_call_id\":\"call_{step}\",\"function_name\":\"bash\",\"arguments\":{{\"command\":{command}}}}}],\"observation\":{{\"results\":[{{\"source_call_id\":\"call_{step}\",\"content\":{result}}}]}},\"metrics\":{{\"prompt_tokens\":{prompt},\"completion_tokens\":120,\"cached_tokens\":{},\"cost_usd\":0.01}}}}",
                prompt - 1_000
            );
            prompt += new / 4 + 50;
        }
        file += "],\"final_metrics\":{\"total_steps\":302}}\n";
    }
    file.into_bytes()
}

/// Requests of many sessions, each of which repeats its whole prompt 40 times.
pub(super) fn openai_log(bytes: usize) -> Vec<u8> {
    let mut file = String::new();
    calls(bytes, &mut |session, call, messages, reply| {
        let messages: Vec<String> = messages
            .iter()
            .map(|(role, text)| format!("{{\"role\":\"{role}\",\"content\":{text}}}"))
            .collect();
        let _ = writeln!(
            file,
            "{{\"timestamp\":\"2025-11-21T10:{:02}:{:02}.000Z\",\"session_id\":\"s{session}\",\"latency_ms\":500,\"request\":{{\"model\":\"gpt-5\",\"messages\":[{}]}},\"response\":{{\"model\":\"gpt-5\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":{reply}}},\"finish_reason\":\"stop\"}}]}}}}",
            call / 60,
            call % 60,
            messages.join(",")
        );
        file.len()
    });
    file.into_bytes()
}

/// The same as spans, the prompt as attributes with numbers.
pub(super) fn otel(bytes: usize) -> Vec<u8> {
    let mut file = String::new();
    calls(bytes, &mut |session, call, messages, reply| {
        let prompt: String = (0..)
            .zip(messages)
            .map(|(n, (role, text))| {
                format!("\"gen_ai.prompt.{n}.role\":\"{role}\",\"gen_ai.prompt.{n}.content\":{text},")
            })
            .collect();
        let (minute, second) = (call / 60, call % 60);
        let _ = writeln!(
            file,
            "{{\"name\":\"chat\",\"context\":{{\"trace_id\":\"0x{session:032x}\",\"span_id\":\"0x{call:016x}\"}},\"parent_id\":null,\"start_time\":\"2025-11-21T10:{minute:02}:{second:02}.000000Z\",\"end_time\":\"2025-11-21T10:{minute:02}:{second:02}.500000Z\",\"attributes\":{{\"llm.request.type\":\"chat\",\"gen_ai.request.model\":\"gpt-5\",{prompt}\"gen_ai.completion.0.role\":\"assistant\",\"gen_ai.completion.0.content\":{reply}}}}}"
        );
        file.len()
    });
    file.into_bytes()
}

type Told<'a> = [(&'a str, String)];

/// Calls `write` with session, call, prompt and reply until it says that it wrote enough.
fn calls(bytes: usize, write: &mut dyn FnMut(u64, u64, &Told<'_>, &str) -> usize) {
    let (mut words, mut written) = (Words(2), 0);
    for session in 0.. {
        let mut messages = vec![("system", words.json(2_000)), ("user", words.json(400))];
        for call in 0..40 {
            let reply = words.json(200);
            written = write(session, call, &messages, &reply);
            messages.push(("assistant", reply));
            let result = 200 + words.below(2_000);
            messages.push(("user", words.json(result)));
        }
        if written >= bytes {
            return;
        }
    }
}
