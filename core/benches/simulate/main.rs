//! Calls a second of the simulator, and where its time goes: what is asked is built, its prompts are laid into a
//! tree, calls are simulated. One thread, processor time, the file read before the clock starts.
//! Arguments: `mooncake [RUNS]` is the scenario that the peer is compared on; `agents CALLS` simulates so many
//! calls of the bundled Claude Code traces, as often as it takes, under ever new names.
//! One line of JSON each. `cargo xtask bench simulate` prints them beside their budgets.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench speaks, and may break off"
)]

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    native::main();
}

#[cfg(target_arch = "wasm32")]
fn main() {}

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use atr_core::choice::choose;
    use atr_core::context::{self, BuildOptions, Raw};
    use atr_core::serve::cache::CACHES;
    use atr_core::serve::evict::EVICTIONS;
    use atr_core::serve::latency::by_name;
    use atr_core::serve::route::ROUTERS;
    use atr_core::serve::schedule::SCHEDULERS;
    use atr_core::serve::{ArrivalPlan, ClusterConfig, Parts, PrefixTree, Replay, recorded, simulate};
    use atr_core::trace::{CallStatus, Outcome, Session, Workload, ndjson};
    use std::fs;
    use std::process::Command;
    use std::sync::LazyLock;
    use std::time::Instant;

    pub(super) fn main() {
        let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
        let number = |default: usize| asked.get(1).map_or(default, |text| text.parse().unwrap());
        match asked.first().map(String::as_str) {
            Some("agents") => agents(number(1_000_000)),
            _ => mooncake(number(7)),
        }
    }

    /// The scenario that the peer is compared on, so often.
    fn mooncake(runs: usize) {
        let sessions = bundled("mooncake-conversation");
        for _ in 0..runs {
            measure("mooncake", &sessions, &Cluster { block: 512, kv_tokens: 8_388_608 }, 20);
        }
    }

    /// So many calls of agents: the bundled sessions again and again, in an order any beginning of which is a sample of all.
    fn agents(calls: usize) {
        let set = bundled("claude-code");
        let mut sessions: Vec<Session> = Vec::new();
        let mut count = 0;
        // Multiples of the golden ratio are spread evenly; a stride that is coprime to their number meets every session.
        let golden = (set.len() as f64 * 0.618) as usize;
        let stride = (golden..).find(|&stride| coprime(stride, set.len())).unwrap_or(1);
        for session in (0..).map(|place| &set[place * stride % set.len()]) {
            if count >= calls {
                break;
            }
            count += session.calls.len();
            let id = format!("{}-{}", session.id, sessions.len());
            sessions.push(Session { id, ..session.clone() });
        }
        drop(set);
        measure("agents", &sessions, &Cluster { block: 64, kv_tokens: 800_000 }, 1);
    }

    fn coprime(one: usize, other: usize) -> bool {
        if other == 0 { one == 1 } else { coprime(other, one % other) }
    }

    fn bundled(name: &str) -> Vec<Session> {
        let path = format!("{}/../data/{name}.ndjson.gz", env!("CARGO_MANIFEST_DIR"));
        let text = Command::new("gzip").arg("-dc").arg(path).output().expect("gzip").stdout;
        let mut input = text.as_slice();
        let (_, reader) = ndjson::Reader::open(&mut input).unwrap();
        reader.map(Result::unwrap).collect()
    }

    const REPLICAS: u32 = 8;

    /// What differs between the clusters.
    struct Cluster {
        block: u32,
        kv_tokens: u64,
    }

    /// Simulates so often: the clock is coarse.
    fn measure(what: &str, sessions: &[Session], cluster: &Cluster, times: u32) {
        let input_mb = memory_mb("VmRSS");
        let (mut build, mut tree, mut engine) = (0.0, 0.0, 0.0);
        let mut said = String::new();
        for _ in 0..times {
            let begun = clock();
            let options = BuildOptions { max_tokens: 16_384, share_system: false };
            let work = context::build(sessions, &Raw, &options);
            let built = clock();
            let prompts = PrefixTree::build(&work, cluster.block);
            let grown = clock();
            let outcome = run(&work, &prompts, cluster);
            let ended = clock();
            (build, tree, engine) = (build + built - begun, tree + grown - built, engine + ended - grown);
            said = facts(&work, &prompts, &outcome);
        }
        let calls = sessions.iter().map(|session| session.calls.len()).sum::<usize>() as f64;
        let seconds = (build + tree + engine) / f64::from(times);
        let ns = |seconds: f64| seconds / f64::from(times) / calls * 1e9;
        println!(
            "{{\"what\":\"{what}\",\"calls\":{calls},{said},\"seconds\":{seconds:.4},\"calls_per_s\":{:.0},\
             \"build_ns\":{:.0},\"tree_ns\":{:.0},\"engine_ns\":{:.0},\"input_mb\":{input_mb:.0},\"peak_mb\":{:.0}}}",
            calls / seconds,
            ns(build),
            ns(tree),
            ns(engine),
            memory_mb("VmHWM"),
        );
    }

    fn facts(work: &Workload, tree: &PrefixTree, outcome: &Outcome) -> String {
        let done = outcome.calls.iter().filter(|call| call.status == CallStatus::Ok).count();
        let prompt_tokens: u64 = work.calls.iter().map(|call| u64::from(call.prompt_tokens)).sum();
        let mean = prompt_tokens / work.calls.len().max(1) as u64;
        format!(
            "\"done\":{done},\"mean_prompt_tokens\":{mean},\"nodes\":{},\"steps\":{}",
            tree.len(),
            outcome.counters.steps
        )
    }

    fn run(work: &Workload, tree: &PrefixTree, cluster: &Cluster) -> Outcome {
        let profile = by_name("h200-qwen3-4b").unwrap();
        let single = work.sessions.iter().all(|session| session.sessionless);
        let (arrivals, replay) = if single {
            (recorded(work, 1.0), Replay::Times)
        } else {
            (ArrivalPlan::Concurrency(16 * REPLICAS), Replay::Delays)
        };
        let config = ClusterConfig {
            parts: parts(),
            replicas: REPLICAS,
            capacity_blocks: cluster.kv_tokens / u64::from(cluster.block),
            host_blocks: 0,
            // Longer than the model's, so that the prompts of agents are served and not refused.
            context_tokens: 1_000_000,
            max_batch: 256,
            step_tokens: 8_192,
            coefficients: profile.coefficients,
            cache: true,
            reserve: false,
            replay,
            speed: 1.0,
            stepwise: false,
            curves: false,
            staleness_us: 0,
            decisions: false,
            seed: 1,
        };
        simulate(work, tree, &config, &arrivals)
    }

    fn parts() -> Parts {
        Parts {
            router: choose(ROUTERS, "round-robin").unwrap(),
            cache: choose(CACHES, "block-hash").unwrap(),
            eviction: choose(EVICTIONS, "lru").unwrap(),
            scheduler: choose(SCHEDULERS, "fcfs").unwrap(),
            predictor: None,
        }
    }

    /// Megabytes that the system says this process holds (`VmRSS`) or ever held (`VmHWM`).
    fn memory_mb(key: &str) -> f64 {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let kb = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        kb.map_or(0.0, |kb| kb / 1e3)
    }

    /// Seconds that this thread has worked, whatever else the machine does; where the system does not
    /// say, seconds that have passed.
    fn clock() -> f64 {
        static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        let passed = BEGIN.elapsed().as_secs_f64();
        let worked = fs::read_to_string("/proc/thread-self/schedstat").ok();
        let nanoseconds = worked.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        nanoseconds.map_or(passed, |worked| worked as f64 / 1e9)
    }
}
