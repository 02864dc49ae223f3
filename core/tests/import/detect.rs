//! Detection: content decides, and what is not ours is said to be unknown.

use super::{read_as, reasons};
use atr_core::import::{IMPORTERS, ImportError, by_name, detect};

/// The formats in their order.
const KNOWN: &str = "atr, kv-cache-tester, mini-swe-agent, swe-agent, claude-code, openhands, mooncake, bailian, azure, burstgpt, \
    lmcache, otel, openai-log, vllm-log, atif";

/// Beginnings of formats of ours, each taken by one importer only.
const OWN: &[(&str, &str)] = &[
    ("mooncake", r#"{"timestamp":0,"input_length":20,"output_length":3,"hash_ids":[1],"parent_id":2}"#),
    (
        "bailian",
        r#"{"chat_id":1,"parent_chat_id":-1,"timestamp":0.5,"input_length":20,"output_length":3,"type":"text","turn":1,"hash_ids":[1,2]}"#,
    ),
    (
        "claude-code",
        r#"{"type":"user","uuid":"u","parentUuid":null,"sessionId":"s","isSidechain":false,"timestamp":"2025-01-01T00:00:00.000Z","message":{"role":"user","content":"hi"}}"#,
    ),
    (
        "claude-code",
        r#"{"parentUuid":null,"isSidechain":true,"agentId":"a","type":"user","message":{"role":"us"#,
    ),
    ("claude-code", r#"{"type":"summary","summary":"s","leafUuid":"u"}"#),
    (
        "claude-code",
        r#"{"type":"file-history-snapshot","messageId":"m","snapshot":{},"isSnapshotUpdate":false}"#,
    ),
    ("claude-code", r#"{"type":"queue-operation","operation":"dequeue","timestamp":"t","sessionId":"s"}"#),
    ("claude-code", r#"{"type":"mode","mode":"normal","sessionId":"s"}"#),
    (
        "claude-code",
        r#"{"type":"assistant","message":{"content":[]},"timestamp":"2025-01-01T00:00:00.000Z"}"#,
    ),
    ("claude-code", r#"{"type":"system","subtype":"init","cwd":"c","session_id":"s","tools":[]}"#),
    (
        "claude-code",
        "{\"type\":\"new-note\",\"note\":1}\n\n{\"type\":\"user\",\"timestamp\":\"t\",\"message\":{\"role\":\"user\",\"content\":\"hi\"}}\n",
    ),
    (
        "claude-code",
        "{\"type\":\"assis\u{0}\n{\"parentUuid\":null,\"isSidechain\":false,\"type\":\"user\",\"message\":{\"role\":\"us",
    ),
    ("azure", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n"),
    ("azure", "\u{feff}\r\n\"generated tokens\",X,context_tokens,Timestamp\r\n"),
    (
        "burstgpt",
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,x\n",
    ),
    ("burstgpt", "Response tokens,Session ID,Elapsed time,REQUEST TOKENS,Timestamp"),
    ("lmcache", r#"{"timestamp":1,"input":"text","output":"text","session_id":"s"}"#),
    (
        "lmcache",
        r#"{"session_id":"s","model":"m","input":[{"role":"user","content":"x"}],"output_length":3,"pre_gap":0.1}"#,
    ),
    ("lmcache", r#"{"timestamp":1760428436442742,"input":"a prompt that is cut"#),
    ("otel", r#"{"resourceSpans":[{"scopeSpans":[{"spans":[]}]}]}"#),
    ("otel", r#"[{"traceId":"t","spanId":"s","attributes":[]}]"#),
    (
        "otel",
        "{\n \"name\": \"chat\",\n \"context\": {\"trace_id\": \"0x1\", \"span_id\": \"0x2\"},\n \"attributes\": {}}",
    ),
    (
        "openai-log",
        r#"{"request":{"model":"m","messages":[{"role":"user","content":"x"}]},"response":{"choices":[]}}"#,
    ),
    ("openai-log", r#"{"model":"m","messages":[{"role":"user","content":"x"}],"usage":{"prompt_tokens":3}}"#),
    (
        "openai-log",
        r#"{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[{"role":"user","content":"x"}]}}"#,
    ),
    ("openai-log", r#"{"id":"b","custom_id":"a","response":{"status_code":200,"body":{"choices":[]}}}"#),
    ("openai-log", r#"{"request":{"model":"m","instructions":"i","input":"x"},"response":{"output":[]}}"#),
    (
        "openai-log",
        r#"{"request_body":"{\"model\":\"m\"}","response_body":"{\"choices\":[]}","latency_ms":3}"#,
    ),
    (
        "openai-log",
        r#"[{"body":{"model":"m","system":"s","messages":[{"role":"user","content":[]}]},"response":{"usage":{}}}]"#,
    ),
    (
        "vllm-log",
        "INFO 01-01 00:00:00 [logger.py:42] Received request cmpl-1: prompt: 'x', params: SamplingParams(n=1)",
    ),
    (
        "vllm-log",
        "(APIServer pid=2) INFO 01-01 00:00:10 [loggers.py:1] Engine 000: Avg prompt throughput: 9.4 tokens/s, Running: 1 reqs\n",
    ),
    ("vllm-log", "(APIServer pid=1) INFO 01-01 00:00:00 [api_server.py:1] vLLM API server version 0.9.1\n"),
    (
        "openhands",
        r#"{"instance_id":"a__b-1","test_result":{},"instruction":"do","metadata":{"agent_class":"C"},"history":[{"id":0,"source":"agent","action":"message","args":{}}],"metrics":{"accumulated_cost":1.0}}"#,
    ),
    (
        "openhands",
        r#"[{"id":0,"timestamp":"2025-01-01","source":"user","message":"m","action":"message","args":{"content":"c"}}]"#,
    ),
    (
        "openhands",
        r#"{"trajectory":[{"id":0,"source":"agent","action":"run","args":{}},{"source":"agent","observation":"run","extras":{}}]}"#,
    ),
    (
        "openhands",
        r#"{"instance_id":"a__b-1","history":[[{"source":"agent","action":"run","args":{}},{"source":"agent","observation":"run","content":"c"}]]}"#,
    ),
    (
        "openhands",
        r#"{"instance_id":"a","test_result":{"git_patch":"long"},"metadata":{"agent_class":"C","llm_config":{"model":"m"}},"history":[{"id":0,"timest"#,
    ),
    (
        "swe-agent",
        r#"{"environment":"swe_main","trajectory":[{"action":"ls\n","observation":"a","response":"r","state":"{}","thought":"t"}],"history":[{"role":"system","content":"s","agent":"primary"}],"info":{"exit_status":"submitted","model_stats":{"instance_cost":1.0}}}"#,
    ),
    (
        "swe-agent",
        r#"{"trajectory":[{"action":"ls","observation":"","query":[{"role":"system","content":"x"}]}],"history":[],"info":{"exit_status":"submitted","submission":"d","model_stats":{"instance_cost":0,"api_calls":3}},"replay_config":"{}","environment":"main"}"#,
    ),
    (
        "swe-agent",
        r#"[{"role":"system","content":"SETTING: ```bash","agent":"primary","message_type":"system_prompt"},{"role":"user","content":"<returncode>0</returncode>","agent":"primary"}]"#,
    ),
    (
        "swe-agent",
        r#"{"trajectory":[{"action":"a","observation":"o","response":"r","state":{},"thought":"t","execution_time":0.1,"messages":[{"role":"system","content":"x","agent":"main"}],"extra_info":{}}],"history":[]"#,
    ),
    (
        "swe-agent",
        r#"{"trajectory":[{"action":"a","turn_statistics":{"cost":0,"tokens":{"raw_input":1}},"observation":"o"}],"summaries":null"#,
    ),
    ("swe-agent", r#"{"attempts":[{"trajectory":[{"action":"a"}],"history":[],"info":{}}]}"#),
    ("swe-agent", r#"{"history":[{"message_type":"system_prompt","role":"system","content":"s"}]}"#),
    ("swe-agent", r#"{"trajectory":null,"history":[{"role":"system","content":"s"}]}"#),
    ("swe-agent", r#"{"environment":"e","trajectory":[],"history":[],"info":{"model_stats":{}}}"#),
    (
        "atif",
        r#"{"schema_version":"ATIF-v1.4","session_id":"s","agent":{"name":"a","version":"1"},"steps":[{"step_id":1,"source":"user","message":"m"}]}"#,
    ),
    ("atif", r#"[{"trajectory_id":"t","schema_version":"ATIF-v1.8"}]"#),
    (
        "atif",
        r#"{"agent":{"name":"a","version":"1"},"steps":[{"message":[{"type":"text","text":"m"}],"source":"user","step_id":1}]}"#,
    ),
    (
        "atif",
        r#"{"agent":{"name":"openhands","tool_definitions":[{"type":"function","function":{"name":"bash","descr"#,
    ),
    ("atr", r#"{"schema":"atr-trace/1","name":"TIMESTAMP,ContextTokens,GeneratedTokens"}"#),
];

/// Beginnings of other people's formats, written after their descriptions.
const FOREIGN: &[(&str, &str)] = &[
    ("a log of another agent", r#"{"timestamp":"t","type":"session_meta","payload":{"sessionId":"s"}}"#),
    ("a table", "timestamp,tokens,model\n1,2,3\n"),
    ("half of a header", "TIMESTAMP,ContextTokens\n2023-11-16 18:17:03,1\n"),
    ("spans of something else", r#"{"traceID":"t","spans":[{"operationName":"GET"}]}"#),
    ("a log", "INFO 01-01 00:00:00 [a.py:1] Received request from 127.0.0.1\n"),
    ("chat messages", r#"[{"role":"system","content":"You are helpful."},{"role":"user","content":"hi"}]"#),
    ("any object", r#"{"hello": "world", "id": 3}"#),
    ("any list", "[1, 2, 3]"),
    ("a report of ours", r#"{"schema":"atr-report/1","kind":"policies"}"#),
    (
        "a list within a document over several lines",
        "{\n \"turns\": [\n{\"type\":\"user\",\"timestamp\":\"t\",\"message\":{\"content\":\"hi\"}}\n]}\n",
    ),
    ("a line of text", "hello"),
    ("XML", "<?xml version=\"1.0\"?><a/>"),
    ("zeros", "\0\0\0\0\0\0\0\0"),
];

#[test]
fn every_format_has_one_taker() {
    for (name, content) in OWN {
        let takers: Vec<&str> =
            IMPORTERS.iter().filter(|i| i.detect(content.as_bytes())).map(|i| i.name()).collect();
        assert_eq!(takers, [*name], "{content}");
    }
}

#[test]
fn foreign_formats_are_unknown_to_every_importer() {
    for (name, content) in FOREIGN {
        let takers: Vec<&str> =
            IMPORTERS.iter().filter(|i| i.detect(content.as_bytes())).map(|i| i.name()).collect();
        assert_eq!(takers, [""; 0], "{name}");
        match read_as("f", content.as_bytes()) {
            Err(ImportError::Unknown { known, .. }) => {
                assert_eq!(known, KNOWN);
            }
            other => panic!(
                "{name}: expected an unknown format, found {:?}",
                other.map(|imported| imported.format)
            ),
        }
    }
}

#[test]
fn messages_without_a_log_are_taken_by_nobody() {
    for content in [
        r#"{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]}"#,
        r#"{"instance_id":"a","model":"m","messages":[{"role":"user","content":"x"}],"resolved":true}"#,
    ] {
        let takers: Vec<&str> =
            IMPORTERS.iter().filter(|i| i.detect(content.as_bytes())).map(|i| i.name()).collect();
        assert_eq!(takers, [""; 0], "{content}");
    }
}

#[test]
fn requests_that_wait_for_others_below_a_header_are_taken_by_nobody() {
    let content = concat!(
        r#"{"schema":"x.agentic","version":2,"block_size":64,"hash_id_scope":"local"}"#,
        "\n",
        r#"{"session_id":"b","input_length":64,"output_length":2,"hash_ids":[2],"dependencies":[{"delay_ms":3.0}]}"#,
    );
    let takers: Vec<&str> =
        IMPORTERS.iter().filter(|i| i.detect(content.as_bytes())).map(|i| i.name()).collect();
    assert_eq!(takers, [""; 0]);
}

#[test]
fn foreign_formats_under_a_forced_name_fail_with_a_reason() {
    use atr_core::import::tokens::BytesPerToken;
    use atr_core::import::{Imported, Source};
    for (name, content) in FOREIGN {
        for importer in IMPORTERS {
            let source = Source { name: "f", counter: &BytesPerToken::default(), keep_text: true };
            let mut into = Imported::default();
            let failed = importer.read(&mut content.as_bytes(), &source, &mut into).is_err();
            // A list of messages without replies is still a list of messages.
            assert!(failed || !into.skipped.is_empty(), "{name} as {}", importer.name());
            assert!(into.sessions.is_empty(), "{name} as {}: {:?}", importer.name(), reasons(&into));
        }
    }
}

#[test]
fn what_was_found_is_said_briefly() {
    let error = |content: &[u8]| read_as("dir/x.bin", content).err().unwrap().to_string();
    assert_eq!(error(b""), "dir/x.bin: the file is empty, expected a trace");
    assert_eq!(error(b" \n\n"), "dir/x.bin: the file is empty, expected a trace");
    assert!(error(b"\x1f\x8b\x08\0").contains("found gzip data"));
    assert!(error(&[0; 4096]).contains("found binary data"));
    let long = error("a very secret line ".repeat(100).as_bytes());
    assert!(long.len() < 120 + KNOWN.len(), "{long}");
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let error = by_name("csv").err().unwrap().to_string();
    assert_eq!(error, format!("unknown format `csv`, expected one of: {KNOWN}"));
    for importer in IMPORTERS {
        assert_eq!(by_name(importer.name()).unwrap().name(), importer.name());
        assert!(!importer.about().is_empty());
    }
}

#[test]
fn a_head_that_is_cut_anywhere_is_still_told() {
    let submission = "x".repeat(70_000);
    let head = |text: &str| {
        detect("f", &text.as_bytes()[..text.len().min(65_536)]).map(atr_core::import::Importer::name)
    };
    let long_info = format!(
        r#"{{"info":{{"exit_status":"Submitted","submission":"{submission}","model_stats":{{}}}},"messages":[]}}"#
    );
    assert_eq!(head(&long_info), Ok("mini-swe-agent"));
    let long_step = format!(r#"{{"trajectory":[{{"action":"cat x","observation":"{submission}"}}]}}"#);
    assert_eq!(head(&long_step), Ok("swe-agent"));
    let ids: Vec<u32> = (0..30_000).collect();
    let long_ids = format!(r#"{{"requests":[{{"t":0,"in":1,"hash_ids":{ids:?}}}],"block_size":64}}"#);
    assert_eq!(head(&long_ids), Ok("kv-cache-tester"));
}

/// An editor's byte-order mark stands before every kind of text and changes nothing.
#[test]
fn a_byte_order_mark_is_no_part_of_a_file() {
    let files: [(&str, &[u8]); 5] = [
        ("mini-swe-agent", include_bytes!("../fixtures/import/run.traj.json")),
        ("mooncake", include_bytes!("../fixtures/import/mooncake.jsonl")),
        ("bailian", include_bytes!("../fixtures/import/bailian-synthetic.jsonl")),
        ("kv-cache-tester", include_bytes!("../fixtures/import/claude-code.json")),
        ("azure", include_bytes!("../fixtures/import/azure-synthetic.csv")),
    ];
    for (format, plain) in files {
        let marked = [&b"\xef\xbb\xbf"[..], plain].concat();
        let (plain, marked) = (read_as("f", plain).unwrap(), read_as("f", &marked).unwrap());
        assert_eq!((plain.format, marked.format), (format, format));
        assert_eq!(reasons(&plain), reasons(&marked), "{format}");
        assert_eq!(plain.sessions, marked.sessions, "{format}");
    }
    assert!(matches!(read_as("f", b"\xef\xbb\xbf").err().unwrap(), ImportError::Empty { .. }));
    // Only one, and only a whole one.
    for odd in ["\u{feff}\u{feff}{}".as_bytes(), b"\xef\xbb{}"] {
        assert!(matches!(read_as("f", odd).err().unwrap(), ImportError::Unknown { .. }));
    }
}
