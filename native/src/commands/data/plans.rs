//! The bundled sets and where each comes from.

/// All sets that are read from a source, in the order of the index.
pub(super) const PLANS: &[&Plan] = &[
    &CLAUDE_CODE,
    &GEMINI,
    &MINI_TESTS,
    &LMCACHE_MINI,
    &TAU_BENCH,
    &SWE_AGENT,
    &SWE_AGENT_DEMOS,
    &OPENHANDS,
    &MOONCAKE,
    &AZURE,
];

/// A set and where it comes from.
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) harness: &'static str,
    /// The archive it lies in.
    pub(super) archive: &'static str,
    /// What is read of it.
    pub(super) files: &'static [&'static str],
    /// The format, where it shall not be told from content.
    pub(super) format: Option<&'static str>,
    /// Records that cannot be read, by what their message contains: how many, and why.
    pub(super) unread: &'static [(&'static str, usize, &'static str)],
    /// A file beside it that says which tasks were solved.
    pub(super) resolved: Option<&'static str>,
    /// Why its sessions do not show how an agent behaves, where they do not.
    pub(super) incomplete: Option<&'static str>,
    /// `real`, `derived` or `synthetic`.
    pub(super) kind: &'static str,
    pub(super) source: &'static str,
    pub(super) revision: &'static str,
    pub(super) licence: &'static str,
    pub(super) about: &'static str,
}

pub(super) const CLAUDE_CODE: Plan = Plan {
    name: "claude-code",
    title: "Claude Code sessions",
    harness: "claude-code",
    archive: "kv-cache-tester",
    files: &["kv-cache-tester/traces"],
    format: None,
    unread: &[],
    resolved: None,
    incomplete: None,
    kind: "real",
    source: "callanjfox/kv-cache-tester",
    revision: "94f6046",
    licence: "Apache-2.0",
    about: "Real coding sessions, recorded as token counts, hashes of 64-token blocks and times. The source has\n\
            no messages; they are derived from how prompts grow, and every session says so. Hashes hold within\n\
            one session: what sessions share with each other is not in the data.",
};

pub(super) const GEMINI: Plan = Plan {
    name: "mini-swe-agent-gemini3",
    title: "mini-swe-agent on SWE-bench Verified",
    harness: "mini-swe-agent",
    archive: "mini-swe-agent-gemini3",
    files: &["mini-swe-agent-gemini3/trajs"],
    format: None,
    unread: &[],
    resolved: Some("mini-swe-agent-gemini3-resolved.json"),
    incomplete: None,
    kind: "real",
    source: "gruckion/mini-swe-agent",
    revision: "d12a71a",
    licence: "MIT",
    about: "Runs of Gemini 3 Pro with the counts, cached tokens and costs that the provider reported. Message\n\
            sizes are the growth of those counts, spread in proportion to a tokenizer's. The source stamps whole\n\
            seconds, so times between calls are estimates and marked. The runs' texts quote issues and code\n\
            under their own licences; none of it is here.",
};

pub(super) const MOONCAKE: Plan = Plan {
    name: "mooncake-conversation",
    title: "Mooncake conversation trace",
    harness: "",
    archive: "mooncake",
    files: &["mooncake/conversation_trace.jsonl"],
    format: None,
    unread: &[],
    resolved: None,
    incomplete: None,
    kind: "real",
    source: "kvcache-ai/Mooncake",
    revision: "3b5a594",
    licence: "Apache-2.0",
    about: "Requests to a chat service with hashes of 512-token blocks that hold across the whole set. The source\n\
            knows no sessions: every request stands alone, and context strategies do not apply.",
};

pub(super) const MINI_TESTS: Plan = Plan {
    name: "mini-swe-agent-tests",
    title: "mini-swe-agent test runs",
    harness: "mini-swe-agent",
    archive: "mini-swe-agent",
    files: &["mini-swe-agent"],
    format: None,
    unread: &[],
    resolved: None,
    incomplete: None,
    kind: "real",
    source: "SWE-agent/mini-swe-agent",
    revision: "a83fcae",
    licence: "MIT",
    about: "Two short runs that the harness is tested with: bare lists of messages, without counts or times.",
};

pub(super) const LMCACHE_MINI: Plan = Plan {
    name: "lmcache-mini-swe-agent",
    title: "mini-swe-agent as LMCache saw it",
    harness: "mini-swe-agent",
    archive: "lmcache-agent-trace",
    files: &["lmcache-agent-trace/miniswe"],
    format: Some("lmcache"),
    unread: &[],
    resolved: None,
    incomplete: None,
    kind: "real",
    source: "LMCache/lmcache-agent-trace",
    revision: "16a14ad",
    licence: "Apache-2.0",
    about: "Requests as a serving stack received them: one text a prompt, with the microsecond it came at and the\n\
            reply. Messages are told apart by what each prompt repeats of the one before. There are no counts in\n\
            the source; all are a tokenizer's.",
};

pub(super) const TAU_BENCH: Plan = Plan {
    name: "tau-bench",
    title: "Tau-bench as LMCache saw it",
    harness: "tau-bench",
    files: &["lmcache-agent-trace/taubench"],
    unread: &[
        ("is empty", 1, "file, a session without a request"),
        ("of a simulated user", 24, "sessions' calls of a simulated user"),
    ],
    incomplete: Some("recorded without system prompts and tool calls"),
    about: "Conversations of a customer-service agent with a simulated user, whose own requests are left out.\n\
            The recording leaves out system prompts and tool calls, so prompts are shorter than those that a\n\
            server saw, and what most calls replied is unknown.",
    ..LMCACHE_MINI
};

pub(super) const SWE_AGENT: Plan = Plan {
    name: "swe-agent",
    title: "SWE-agent runs",
    harness: "swe-agent",
    archive: "swe-agent",
    files: &["swe-agent/tests", "swe-smith"],
    format: None,
    unread: &[],
    resolved: None,
    incomplete: None,
    kind: "real",
    source: "SWE-agent/SWE-agent, SWE-bench/SWE-smith",
    revision: "3ea751c, cf2e649",
    licence: "MIT",
    about: "Two test runs of 0.x and two runs of 1.x, which name how long each tool ran; all with the statistics of\n\
            their runs. The prompts of 0.x are what its history says: what the harness masked is not in the files.",
};

pub(super) const SWE_AGENT_DEMOS: Plan = Plan {
    name: "swe-agent-demonstrations",
    title: "SWE-agent demonstrations",
    files: &["swe-agent/demos"],
    incomplete: Some("replayed or written by hand, not run"),
    source: "SWE-agent/SWE-agent",
    revision: "3ea751c",
    about: "Demonstrations that the harness shows to models, most of them one task replayed under several settings.\n\
            They have no statistics; what is counted is a tokenizer's. They say how the interface looks, not how\n\
            agents behave.",
    ..SWE_AGENT
};

pub(super) const OPENHANDS: Plan = Plan {
    name: "openhands",
    title: "OpenHands runs",
    harness: "openhands",
    archive: "openhands",
    files: &["openhands/multi_swe_bench_examples", "openhands/runtime_trajs"],
    format: None,
    unread: &[("have no event", 2, "runs' billed calls without an event")],
    resolved: None,
    incomplete: None,
    kind: "real",
    source: "OpenHands/OpenHands",
    revision: "d6fab19",
    licence: "MIT",
    about: "Three evaluation runs with the provider's counts and latencies, and four short event streams of which\n\
            not all calls have counts.\n\
            So few runs say how the format is read; they do not say how OpenHands behaves.",
};

pub(super) const AZURE: Plan = Plan {
    name: "azure-code",
    title: "Azure LLM inference trace, code",
    harness: "",
    archive: "azure",
    files: &["azure/AzureLLMInferenceTrace_code.csv"],
    format: None,
    unread: &[],
    resolved: None,
    incomplete: None,
    kind: "real",
    source: "Azure/AzurePublicDataset",
    revision: "b469a11",
    licence: "CC-BY-4.0",
    about: "Requests to a coding service: when they came, and how many tokens went in and out. The source says\n\
            nothing of what prompts share, so no cache can find anything in them.",
};

/// Read from no source: see [`super::synthetic`].
pub(super) const SYNTHETIC: Plan = Plan {
    name: "synthetic",
    title: "Synthetic sessions",
    harness: "",
    archive: "",
    files: &[],
    format: None,
    unread: &[],
    resolved: None,
    incomplete: None,
    kind: "synthetic",
    source: "Agent Trace Runtime",
    revision: "atr-profile/1",
    licence: "MIT",
    about: "Sessions that nobody ran: drawn by a seeded generator from profiles that were fitted to the Claude Code\n\
            and mini-swe-agent sets. How close they come is shown beside the real ones.",
};
