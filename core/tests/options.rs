//! Options that nothing reads: what is said of each, that leaving them out changes nothing, and that others are taken.
#![allow(clippy::unwrap_used)]

mod common;

use atr_core::choice::choose;
use atr_core::policy::{Arrivals, POLICIES, Scenario, ScenarioError, simulate};
use atr_core::serve::latency::{self, OwnProfile};
use atr_core::serve::route::{ROUTERS, Sees, sees};
use atr_core::trace::Scope;
use common::{agent, session};
use proptest::prelude::*;

fn of(policies: &[&str]) -> Scenario {
    let policies = policies.iter().map(|name| (*name).to_owned()).collect();
    Scenario { policies, replicas: 4, ..Scenario::default() }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn says(scenario: &Scenario) -> String {
    scenario.validate().unwrap_err().to_string()
}

const CACHING: &str = "exact-prefix-cache, prefix-aware-routing, prompt-compaction, max-token-prediction";

/// A scenario with an option that does nothing there, what is said of it, and one change with which it does something:
/// where there is none, other policies.
type Idle = (Scenario, String, Option<Scenario>);

fn naive() -> Scenario {
    of(&["naive"])
}

fn epc() -> Scenario {
    of(&["exact-prefix-cache"])
}

/// The same under other policies.
fn both(scenario: &Scenario) -> Scenario {
    let policies = ["naive", "max-token-prediction", "prompt-compaction"].map(str::to_owned).to_vec();
    Scenario { policies, ..scenario.clone() }
}

/// What no policy of the scenario reads.
fn idle_for_the_policies() -> Vec<Idle> {
    let too = format!("expected one of these policies, too: {CACHING}");
    let predicting =
        "no policy here predicts lengths, expected one of these policies, too: max-token-prediction";
    vec![
        (Scenario { router: text("cache-aware"), ..naive() }, format!("`router` is `cache-aware` and does nothing here: naive keeps its own, {too}"), None),
        (Scenario { cache: text("radix"), ..naive() }, format!("`cache` is `radix` and does nothing here: no policy here keeps prefixes, {too}"), None),
        (Scenario { eviction: text("lfu"), ..naive() }, format!("`eviction` is `lfu` and does nothing here: no policy here keeps prefixes, {too}"), None),
        (Scenario { host_kv_tokens: Some(9), ..naive() }, format!("`host_kv_tokens` is 9 and does nothing here: no policy here keeps prefixes, {too}"), None),
        (Scenario { predictor: text("mlp"), ..epc() }, format!("`predictor` is `mlp` and does nothing here: {predicting}"), None),
        (Scenario { scheduler: text("shortest"), ..epc() }, format!("`scheduler` is `shortest` and does nothing here: {predicting}"), None),
        (Scenario { context: text("masking:5"), ..epc() }, "`context` is `masking:5` and does nothing here: no policy here changes prompts, expected one of these policies, too: prompt-compaction".to_owned(), None),
    ]
}

/// What another option leaves without effect.
fn idle_beside_others() -> Vec<Idle> {
    let users = Some(Arrivals::Users { users: 4, per_s: 2.0 });
    let own = OwnProfile::from(&latency::find("h200-qwen3-8b").unwrap());
    vec![
        (
            Scenario { eviction: text("lfu"), cache: text("slots"), ..epc() },
            "`eviction` is `lfu` and does nothing here: a place of `slots` evicts what it held and nothing else, expected another cache".to_owned(),
            Some(Scenario { eviction: text("lfu"), cache: text("radix"), ..epc() }),
        ),
        (
            Scenario { host_gb_per_s: Some(25.0), ..epc() },
            "`host_gb_per_s` is 25 and does nothing here: nothing is kept in the host's memory, expected `host_kv_tokens`, too".to_owned(),
            Some(Scenario { host_gb_per_s: Some(25.0), host_kv_tokens: Some(9), ..epc() }),
        ),
        (
            Scenario { staleness_us: 50_000, router: text("oracle"), ..epc() },
            "`staleness_us` is 50000 and does nothing here: `oracle` sees nothing that can be late, expected another router".to_owned(),
            Some(Scenario { staleness_us: 50_000, router: text("least-load"), ..epc() }),
        ),
        (
            Scenario { staleness_us: 1, router: text("random"), ..both(&epc()) },
            "`staleness_us` is 1 and does nothing here: `round-robin` or `random` sees nothing that can be late, expected another router".to_owned(),
            Some(Scenario { staleness_us: 1, ..both(&epc()) }),
        ),
        (
            Scenario { max_tokens: 512, ..epc() },
            "`max_tokens` is 512 and does nothing here: no room is reserved for output and no length predicted, expected `reserve`, too".to_owned(),
            Some(Scenario { max_tokens: 512, reserve: true, ..epc() }),
        ),
        (
            Scenario { reserve: true, ..of(&["max-token-prediction"]) },
            "`reserve` is true and does nothing here: the policy reserves what it predicts, expected another one, too".to_owned(),
            None,
        ),
        (
            Scenario { speed: 2.0, arrivals: users, ..epc() },
            "`speed` is 2 and does nothing here: users wait for their calls and for nothing that was recorded, expected other arrivals than `users:4,2`".to_owned(),
            Some(Scenario { speed: 2.0, ..epc() }),
        ),
        (
            Scenario { own_profile: Some(own.clone()), ..epc() },
            "`own_profile` is `h200-qwen3-8b` and does nothing here: `profile` is `h200-qwen3-4b`, expected that name there".to_owned(),
            Some(Scenario { profile: own.name.clone(), own_profile: Some(own), ..epc() }),
        ),
        (
            Scenario { router: text("dynamo-kv:host=0.5"), ..epc() },
            "`router` is `dynamo-kv:host=0.5` with `host` and does nothing here: nothing is kept in the host's memory, expected `host_kv_tokens`, too".to_owned(),
            Some(Scenario { router: text("dynamo-kv:host=0.5"), host_kv_tokens: Some(9), ..epc() }),
        ),
        (
            Scenario { scheduler: text("mlfq:queues=2,growth=3"), ..epc() },
            "`scheduler` is `mlfq:growth=3,queues=2` with `growth` and does nothing here: only the first queue has an end, expected `queues` of at least 3".to_owned(),
            Some(Scenario { scheduler: text("mlfq:queues=3,growth=3"), ..epc() }),
        ),
        (
            Scenario { eviction: text("ttl:preview,cold_s=1"), ..epc() },
            "`eviction` is `ttl:fixed_s=2,cold_s=1` with `cold_s` and does nothing here: `fixed_s` holds from the first call on, expected one of both".to_owned(),
            Some(Scenario { eviction: text("ttl:cold_s=1"), ..epc() }),
        ),
    ]
}

#[test]
fn what_nothing_reads_is_refused_by_key_value_and_reason() {
    for (wrong, said, right) in idle_for_the_policies().into_iter().chain(idle_beside_others()) {
        let right = right.unwrap_or_else(|| both(&wrong));
        assert_eq!(says(&wrong), said);
        assert_eq!(right.validate(), Ok(()), "{said}");
        let (pruned, idle) = wrong.pruned();
        assert_eq!((pruned.validate(), idle.len()), (Ok(()), 1), "{said}");
        assert_eq!(right.pruned(), (right.clone(), Vec::new()), "nothing is taken from what is right");
    }
    // Where one goes, what hung on it goes, too.
    let (pruned, idle) = Scenario { host_kv_tokens: Some(9), host_gb_per_s: Some(2.0), ..naive() }.pruned();
    assert_eq!((pruned, idle.len()), (naive(), 2));
}

#[test]
fn values_that_contradict_themselves_are_refused() {
    assert_eq!(says(&of(&[])), "`policies` is empty, expected at least one policy");
    assert_eq!(says(&of(&["naive", "naive"])), "`policies` is `naive` twice, expected each policy once");
    let says = |set: fn(&mut Scenario)| {
        let mut scenario = Scenario { replicas: 2, ..Scenario::default() };
        set(&mut scenario);
        says(&scenario)
    };
    assert_eq!(
        says(|s| s.policies = vec!["naiv".to_owned()]),
        format!("unknown policy `naiv` (did you mean `naive`?), expected one of: naive, {CACHING}, learned")
    );
    assert_eq!(
        says(|s| s.router = text("cache-aware:rust,python")),
        "router `cache-aware`: found the presets `rust` and `python`, expected one of them"
    );
    assert_eq!(
        says(|s| s.router = text("cache-aware:threshold=2")),
        "router `cache-aware`: `threshold` is `2`, expected a number from 0 to 1"
    );
    assert_eq!(
        says(|s| s.router = text("cache-aware:abs=2.5")),
        "router `cache-aware`: `abs` is `2.5`, expected a whole number from 0 to 1e9"
    );
    assert_eq!(
        says(|s| s.router = text("cache-aware:abs=2,rel=2,abs=3")),
        "router `cache-aware`: `abs` is given twice, expected once"
    );
    assert_eq!(
        says(|s| s.router = text("round-robin:abs=2")),
        "router `round-robin` takes no `abs=2`, expected the name alone"
    );
    let eviction = says(|s| s.eviction = text("lruu"));
    assert!(
        eviction.starts_with("unknown eviction `lruu` (did you mean `lru`?), expected one of: lru, "),
        "{eviction}"
    );
    assert_eq!(
        says(|s| s.predictor = text("per-session:window=2")),
        "`predictor` is `per-session:window=2`, expected `enough` of at most `window`: more ended calls of a session are \
         not kept"
    );
    assert_eq!(
        says(|s| s.context = text("masking:0")),
        "unknown context strategy `masking:0`, expected one of: raw, masking:N, masking:N:POLLING (whole numbers of at \
         least 1)"
    );
    assert!(
        says(|s| s.profile = "h200-qwen3-4".to_owned())
            .starts_with("unknown profile `h200-qwen3-4` (did you mean `h200-qwen3-4b`?)")
    );
}

#[test]
fn what_a_trace_lacks_is_said() {
    let local = [agent("a", 2, 20, 30)];
    let shared = [session("b", Scope::Set, |_| 64, &[(vec![0], 0, 1, 0)])];
    let share = Scenario { share_system: true, ..Scenario::default() };
    assert_eq!(share.validate_on(&local), Ok(()));
    let wrong = share.validate_on(&shared).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "`share_system` is true and does nothing here: equal ids mean equal content all over this trace, so that nothing \
         has to be assumed"
    );
    assert!(matches!(wrong, ScenarioError::Idle { key: "share_system", .. }));
    let priority = Scenario { scheduler: text("priority:vllm"), ..Scenario::default() };
    assert_eq!(priority.validate(), Ok(()), "a trace may have priorities");
    assert_eq!(
        priority.validate_on(&local).unwrap_err().to_string(),
        "`scheduler` is `priority:vllm` and does nothing here: no call of this trace has a priority, expected another \
         scheduler"
    );
    assert_eq!(Scenario::default().validate_on(&shared), Ok(()));
    let places = Scenario {
        cache: text("slots:slots=5"),
        kv_tokens: Some(64),
        block_tokens: Some(16),
        ..of(&["exact-prefix-cache"])
    };
    assert_eq!(
        simulate(&local, &places).unwrap_err().to_string(),
        "`kv_tokens` is 64, expected at least one block of 16 tokens for each of 5 `slots`"
    );
}

#[test]
fn a_single_replica_leaves_no_choice_and_that_is_said() {
    let one = Scenario { router: text("least-load"), replicas: 1, ..of(&["exact-prefix-cache"]) };
    assert_eq!(one.validate(), Ok(()));
    assert_eq!(one.pointless(), ["`router` changes nothing with one replica: there is no choice"]);
    assert!(Scenario { replicas: 2, ..one }.pointless().is_empty());
    assert!(Scenario::default().pointless().is_empty());
}

/// Whether a router looks at anything does not depend on the cluster that it is asked over.
#[test]
fn every_router_says_what_it_sees() {
    let seen = |name: &str| sees(&choose(ROUTERS, name).unwrap());
    assert_eq!(
        [seen("round-robin"), seen("least-load"), seen("oracle")],
        [Sees::Nothing, Sees::Calls, Sees::Future]
    );
    assert_eq!([seen("llm-d"), seen("dynamo-kv")], [Sees::Engines, Sees::Caches]);
}

/// Any text of a list, or nothing.
fn maybe(texts: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop::sample::select(texts).prop_map(str::to_owned))
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    let ready: Vec<String> =
        POLICIES.iter().filter(|policy| policy.ready).map(|policy| policy.name.to_owned()).collect();
    let parts = (
        maybe(&[
            "round-robin",
            "random",
            "oracle",
            "least-load",
            "cache-aware",
            "dynamo-kv:host=0.1",
            "llm-d:prefix=0,blocks=3",
        ]),
        maybe(&["block-hash", "radix", "slots:slots=2", "slots:slots=1,similarity=0.7"]),
        maybe(&["lru", "lfu", "ttl:fixed_s=0.01,cold_s=5", "ttl:cold_s=0.02"]),
        maybe(&["fcfs", "shortest", "plas", "mlfq:queues=1,quantum=9", "mlfq:queues=2,growth=5,quantum=200"]),
        maybe(&["constant:tokens=3", "per-session"]),
        maybe(&["raw", "masking:2"]),
    );
    let arrivals = prop_oneof![
        Just(Arrivals::Concurrency { sessions: 2 }),
        Just(Arrivals::Poisson { per_s: 40.0 }),
        Just(Arrivals::Users { users: 2, per_s: 30.0 }),
    ];
    let numbers = (
        1u32..4,
        prop::option::of(500u64..9_000),
        prop::option::of(0.001f64..9.0),
        prop::sample::select(vec![0u64, 700, 90_000]),
        // None is below an output, which would raise it.
        prop::sample::select(vec![16_384u32, 60, 90]),
        prop::sample::select(vec![1.0, 0.3]),
        any::<bool>(),
    );
    (prop::sample::subsequence(ready, 1..3), parts, arrivals, numbers).prop_map(
        |(policies, parts, arrivals, numbers)| {
            let (router, cache, eviction, scheduler, predictor, context) = parts;
            let (replicas, host_kv_tokens, host_gb_per_s, staleness_us, max_tokens, speed, reserve) = numbers;
            Scenario {
                policies,
                router,
                cache,
                eviction,
                scheduler,
                predictor,
                context,
                replicas,
                host_kv_tokens,
                host_gb_per_s,
                staleness_us,
                max_tokens,
                speed,
                reserve,
                arrivals: Some(arrivals),
                // What a cache's own blocks come to is not what is asked here.
                block_tokens: Some(16),
                kv_tokens: Some(6_000),
                max_batch: 3,
                ..Scenario::default()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// What is said to do nothing does nothing: without it, everything that happens is the same.
    #[test]
    fn leaving_out_what_is_idle_changes_nothing(scenario in scenarios(), turns in prop::collection::vec(1u32..6, 1..6)) {
        let sessions: Vec<_> = (0..).zip(turns).map(|(n, turns)| agent(&format!("s{n}"), turns, 40 + n, 300)).collect();
        let (pruned, idle) = scenario.pruned();
        prop_assert_eq!(scenario.validate().is_err(), !idle.is_empty());
        prop_assert_eq!(pruned.validate(), Ok(()));
        let (_, before) = simulate(&sessions, &scenario).unwrap();
        let (_, after) = simulate(&sessions, &pruned).unwrap();
        for (before, after) in before.iter().zip(&after) {
            prop_assert_eq!(&before.outcome, &after.outcome, "{} without {:?}", &before.name, &idle);
        }
    }
}
