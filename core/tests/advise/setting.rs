//! Advice in bad weather: calls that do not fit, load that is too much, caches that are off, objectives that nothing meets.

use super::{advice, agents, options, texts};
use atr_core::advise::{self, Advice, Block, parts};
use atr_core::policy::{Arrivals, Scenario};

/// What is printed, in order.
fn printed(advice: &Advice) -> String {
    let text = |block: Block| match block {
        Block::Say(text) | Block::Warn(text) => text,
        Block::Table { heads, rows } => {
            rows.iter().for_each(|row| assert_eq!(row.len(), heads.len(), "{heads:?}"));
            format!(
                "{}\n{}",
                heads.join(" | "),
                rows.iter().map(|row| row.join(" | ")).collect::<Vec<_>>().join("\n")
            )
        }
        Block::Flags { title, flags } => format!("{title}: {flags:?}"),
    };
    parts(advice).into_iter().flat_map(|part| part.blocks).map(text).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_first_paragraph_names_the_set_up() {
    let scenario = Scenario { replicas: 2, kv_tokens: Some(60_000), ..Scenario::default() };
    let found = advice(&agents(6), "", scenario);
    let said = texts(&found.setting.says);
    for expected in [
        "Simulated, not measured: 87 calls of 6 sessions, 16 sessions at a time, the next when one ends, the default",
        "2 replicas with 60,000 KV tokens (8.24 GiB, 147,456 bytes a token) each, in blocks of 16 tokens",
        "profile `h200-qwen3-4b`, estimated: ",
        &format!("rests on {} simulations", found.simulations),
    ] {
        assert!(said.contains(expected), "{expected} in: {said}");
    }
    assert!(found.setting.warns.is_empty(), "{:?}", found.setting.warns);
    let given = Scenario { arrivals: Some(Arrivals::Poisson { per_s: 0.5 }), ..Scenario::default() };
    let said = texts(&advice(&agents(2), "", given).setting.says);
    assert!(said.contains("arriving at random at 0.5 a second (Poisson); "), "{said}");
}

/// Prompts of 800 tokens and more against 500 of memory.
#[test]
fn calls_that_do_not_fit_come_first_and_temper_the_rest() {
    let none =
        advice(&agents(3), "ttft_ms.p95<=500", Scenario { kv_tokens: Some(500), ..Scenario::default() });
    let warned = texts(&none.setting.warns);
    assert!(warned.contains("exceed a replica's 500 KV tokens"), "{warned}");
    assert!(warned.contains("No call is answered"), "{warned}");
    assert!(none.order.steps.is_empty() && none.replicas.is_none(), "nothing is advised on times");
    assert!(texts(&none.cannot_say).contains("`ttft_ms.p95<=500`"));
    // Nothing else is said: no order, no memory, no flags.
    assert!(
        none.flags.is_empty() && none.capacity.rows.is_empty() && parts(&none).len() == 1,
        "{}",
        printed(&none)
    );
    // A first prompt of 3,000 tokens and its output of 150 take 197 blocks of 16.
    assert!(
        warned.contains(
            "The smallest first call of a session takes 3,152 tokens (0.43 GiB) of a replica's KV memory"
        ),
        "{warned}"
    );
    let most: u64 = {
        let found = warned.split("the largest call takes ").nth(1).unwrap();
        found.split(' ').next().unwrap().replace(',', "").parse().unwrap()
    };
    let answered = |kv_tokens| {
        let scenario = Scenario { kv_tokens: Some(kv_tokens), ..Scenario::default() };
        let found = advice(&agents(3), "", scenario).setting.strain.unwrap();
        (found.answered(), found.calls)
    };
    assert_eq!(answered(3_136).0, 0, "a block less is too little for any");
    assert!(answered(3_152).0 > 0, "enough for the smallest");
    assert!(answered(most - 16).0 < answered(most).0, "a block less is too little for one");
    assert_eq!(answered(most).0, answered(most).1, "enough for all");
    // The longest prompts alone do not fit.
    let some = advice(&agents(3), "", Scenario { kv_tokens: Some(9_000), ..Scenario::default() });
    let warned = texts(&some.setting.warns);
    let strain = some.setting.strain.as_ref().unwrap();
    assert!(strain.rejected > 0 && strain.answered() > 0);
    let failed = strain.rejected + strain.skipped;
    assert!(warned.starts_with(&format!("{failed} of {} calls (", strain.calls)), "{warned}");
    assert!(printed(&some).starts_with(&warned), "first of all");
}

#[test]
fn an_overloaded_cluster_is_said_first() {
    let busy = Scenario {
        arrivals: Some(Arrivals::Constant { per_s: 1_000.0 }),
        max_batch: 1,
        ..Scenario::default()
    };
    let found = advice(&agents(40), "", busy);
    let warned = texts(&found.setting.warns);
    assert!(
        warned.contains("The cluster is overloaded") && warned.contains("add replicas first"),
        "{warned}"
    );
    let strain = found.setting.strain.unwrap();
    assert!(strain.overloaded() && strain.queue_mean_ms.unwrap() > 100.0, "{strain:?}");
}

#[test]
fn no_cache_is_no_lack_of_memory() {
    let naive = Scenario { policies: vec!["naive".to_owned()], ..Scenario::default() };
    let found = advice(&agents(4), "", naive);
    let said = texts(&found.ceiling.says);
    assert!(said.contains("`naive` keeps nothing") && !said.contains("too little memory"), "{said}");
    assert_eq!(found.order.base, "naive");
    assert_eq!(found.order.steps[0].lever, "prefix-cache");
    // A policy that is on already is where the order begins.
    let cached = Scenario { policies: vec!["exact-prefix-cache".to_owned()], ..Scenario::default() };
    let found = advice(&agents(4), "", cached);
    assert_eq!(found.order.base, "prefix-cache");
    assert!(found.order.steps.iter().all(|step| step.lever != "prefix-cache"));
}

/// The table shows what ranks it, and its gains are those of its figures.
#[test]
fn what_ranks_is_shown() {
    for slo in ["ttft_ms.p90<=1", "job_ms.mean<=1", "hit_rate>=0.01", ""] {
        let found = advice(&agents(6), slo, Scenario { replicas: 2, ..Scenario::default() });
        let part = parts(&found).into_iter().find(|part| part.title == "What to turn on first?").unwrap();
        let Block::Table { heads, rows } = &part.blocks[0] else { panic!("no table") };
        let ranked = if slo.is_empty() { "ttft_ms.mean" } else { slo.split(['<', '>']).next().unwrap() };
        assert_eq!((heads[1].as_str(), heads[2].as_str()), (ranked, "gain"));
        let gains: Vec<&String> = rows.iter().map(|row| &row[2]).collect();
        for (step, shown) in found.order.steps.iter().zip(&gains[1..]) {
            let (was, is) = (step.before.ranked.unwrap(), step.after.ranked.unwrap());
            let gain =
                if ranked == "hit_rate" { is - was } else { was - is } / was.abs().max(f64::MIN_POSITIVE);
            // The first draw is that of the figures, the gain the median of all (here two, as the helper asks).
            let first = step.draws[0].gain;
            assert!(was == 0.0 || (first - gain).abs() < 1e-9, "{step:?}");
            let mean = step.draws.iter().map(|drawn| drawn.gain).sum::<f64>() / step.draws.len() as f64;
            assert!(step.draws.len() == 2 && (step.gain - mean).abs() < 1e-12, "{step:?}");
            assert_eq!(**shown, format!("{:+.1} %", step.gain * 100.0));
        }
        assert!(texts(&found.order.says).contains(&format!("to `{ranked}`")));
    }
}

/// Nothing that cannot be turned on is a step.
#[test]
fn oracles_are_never_offered() {
    let small = Scenario { replicas: 3, kv_tokens: Some(14_000), ..Scenario::default() };
    let found = advice(&agents(12), "job_ms.p95<=1", small);
    let order = &found.order;
    let all = order
        .steps
        .iter()
        .chain(&order.instead)
        .chain(&order.left)
        .chain(&order.research)
        .chain(&order.lossy);
    let names: Vec<&str> = all.map(|gain| gain.lever.as_str()).collect();
    for expected in
        ["llm-d", "session-affinity", "lfu", "host-memory:28000", "program-fcfs", "ttl", "masking:10:10"]
    {
        assert!(names.contains(&expected), "{expected} was not tried: {names:?}");
    }
    for never in ["oracle", "belady", "steps-to-next-use", "random"] {
        assert!(!names.contains(&never), "{names:?}");
    }
    assert!(
        order
            .steps
            .iter()
            .all(|step| !["ttl", "cost-aware", "shortest-program"].contains(&step.lever.as_str()))
    );
    // Whoever asks for one is told why not.
    for (key, name) in [("router", "oracle"), ("eviction", "belady"), ("eviction", "steps-to-next-use")] {
        let mut scenario = Scenario { replicas: 2, ..Scenario::default() };
        let part = if key == "router" { &mut scenario.router } else { &mut scenario.eviction };
        *part = Some(name.to_owned());
        let error =
            advise::run(&agents(2), &options(scenario, "", 4, 2), &mut |_, _| {}).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("`{key}` is `{name}`, expected one that can be turned on")),
            "{error}"
        );
    }
    // Without pressure nothing that makes room is tried, and that is said.
    let large = advice(&agents(4), "", Scenario::default());
    assert_eq!(large.order.evicted_blocks, Some(0));
    assert!(texts(&large.order.says).contains("Nothing had to leave a cache"));
    assert!(large.order.research.is_empty());
}

/// Counts alone say nothing of what prompts share.
#[test]
fn what_is_not_known_is_not_denied() {
    let mut sessions = agents(12);
    for session in &mut sessions {
        session.segments.clear();
        session.messages.clear();
        for call in &mut session.calls {
            call.prompt.clear();
            call.view.clear();
            call.reply = None;
        }
    }
    let found = advice(&sessions, "", Scenario { replicas: 2, ..Scenario::default() });
    let said = printed(&found);
    assert!(said.contains("The trace says how long prompts are, not what they share"), "{said}");
    for denied in
        ["No prompt repeats", "adds no hits", "--no-enable-prefix-caching", "--disable-radix-cache\""]
    {
        assert!(!said.contains(denied), "{denied} in {said}");
    }
    assert!(found.order.setup.cache && found.order.base == "prefix-cache");
    assert_eq!((found.ceiling.ceiling_hit_rate, found.capacity.ceiling_hit_rate), (None, None));
    assert!(
        found.ceiling.policies.iter().all(|row| row.hit_rate.is_none() && row.ceiling_hit_rate.is_none())
    );
    let known = advice(&agents(12), "", Scenario { replicas: 2, ..Scenario::default() });
    assert!(known.ceiling.ceiling_hit_rate.is_some() && known.order.base == "naive");
}

/// Busy agents on one replica that has no router: two are needed, and which router these have is said.
#[test]
fn several_replicas_have_a_router_that_is_said() {
    let sessions = agents(8);
    let busy = |router: Option<&str>| Scenario {
        arrivals: Some(Arrivals::Constant { per_s: 1_000.0 }),
        max_batch: 1,
        router: router.map(str::to_owned),
        ..Scenario::default()
    };
    let never = advice(&sessions, "queue_ms.mean<=0", busy(Some("vllm-dp"))).replicas.unwrap();
    assert_eq!(never.probes.iter().map(|probe| probe.replicas).collect::<Vec<_>>(), [1, 2, 4]);
    let bound = never.probes[1].kept[0].most;
    let found = advice(&sessions, &format!("queue_ms.mean<={bound}"), busy(Some("vllm-dp")));
    let replicas = found.replicas.as_ref().unwrap();
    assert_eq!((replicas.replicas, replicas.setup.contains("vllm-dp")), (Some(2), true), "{replicas:?}");
    let said = texts(&replicas.says);
    assert!(said.contains("more are tried with `vllm-dp`, as given"), "{said}");
    assert!(found.flags.iter().any(|flag| flag.flag == "--data-parallel-size 2"), "{:?}", found.flags);
    let assumed = advice(&sessions, "queue_ms.mean<=0", busy(None)).replicas.unwrap();
    let said = texts(&assumed.says);
    assert!(
        assumed.setup.contains("cache-aware") && said.contains("`cache-aware`, which is assumed"),
        "{said}"
    );
    let turns = advice(&sessions, "queue_ms.mean<=0", busy(Some("round-robin"))).replicas.unwrap();
    assert!(texts(&turns.says).contains("`round-robin`, as given"), "{}", texts(&turns.says));
    // Where routers were compared nothing is assumed.
    let two = Scenario { replicas: 2, ..busy(None) };
    let compared = advice(&sessions, "queue_ms.mean<=0", two).replicas.unwrap();
    assert!(!texts(&compared.says).contains("needs no router"), "{}", texts(&compared.says));
}

/// One draw that was asked for is not the only order that there is; what is said of it comes from the search's own runs.
#[test]
fn one_draw_is_no_order_of_its_own() {
    let said = |arrivals| {
        let scenario = Scenario { arrivals: Some(arrivals), ..Scenario::default() };
        let options = options(scenario, "ttft_ms.p95<=100000", 4, 1);
        let mut told = Vec::new();
        let found = advise::run(&agents(8), &options, &mut |what, _| told.push(what.to_owned())).unwrap();
        let replicas = found.replicas.unwrap();
        let probes = told.iter().filter(|what| what.ends_with(" replicas")).count();
        assert_eq!(probes, replicas.probes.len());
        let mut after = told.iter().rev().take_while(|what| !what.ends_with(" replicas"));
        let memory = |what: &String| what.ends_with(" KV tokens a replica");
        assert!(after.all(memory), "no run after the search but those of memory: {told:?}");
        texts(&replicas.says)
    };
    let drawn = said(Arrivals::Poisson { per_s: 2.0 });
    assert!(drawn.contains("How sure: arrivals were drawn once. Drawing its sessions again"), "{drawn}");
    let recorded = said(Arrivals::Recorded);
    assert!(recorded.contains("How sure: there is one order of arrivals."), "{recorded}");
}

#[test]
fn how_sure_an_answer_is_stands_beside_it() {
    let drawn = advice(
        &agents(8),
        "ttft_ms.p95<=100000",
        Scenario { arrivals: Some(Arrivals::Poisson { per_s: 2.0 }), ..Scenario::default() },
    );
    let said = texts(&drawn.replicas.unwrap().says);
    // Of two draws that both meet it: 0.05 to the power of a half is 22.4 %.
    assert!(said.contains("more than 22 % of such draws do"), "{said}");
    let recorded = Scenario { arrivals: Some(Arrivals::Recorded), ..Scenario::default() };
    let once = advice(&agents(8), "ttft_ms.p95<=100000,hit_rate>=0.01", recorded.clone()).replicas.unwrap();
    let [ttft] = &once.resampled[..] else { panic!("{:?}", once.resampled) };
    let at = once.probes.iter().find(|probe| Some(probe.replicas) == once.replicas).unwrap();
    assert!(ttft.p5 <= at.kept[0].median && at.kept[0].median <= ttft.p95, "{ttft:?}");
    assert_eq!((ttft.met, ttft.draws), (200, 200));
    assert!(texts(&once.says).contains("Drawing its sessions again"), "{}", texts(&once.says));
    let one = advice(&agents(1), "ttft_ms.p95<=100000", recorded).replicas.unwrap();
    assert!(
        one.resampled.is_empty() && texts(&one.says).contains("no spread is stated"),
        "{}",
        texts(&one.says)
    );
}
