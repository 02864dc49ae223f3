//! The GPU's clocks while it works: before and after a run it idles, and says nothing of what the times were measured at.

use super::measure::Bench;
use atr_core::report::UnderLoad;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a prompt's step runs again and again.
const SPAN: Duration = Duration::from_secs(2);
/// Fewest clocks that say something, and how long they are waited for: where an answer has to wake other GPUs, it takes seconds.
const FEWEST: usize = 3;
const PATIENCE: Duration = Duration::from_secs(20);
/// Until clocks have settled.
const SETTLING: Duration = Duration::from_millis(300);

/// Reasons by their bits, as NVML numbers them.
const REASONS: [(u64, &str); 9] = [
    (0x1, "idle"),
    (0x2, "clocks set by hand"),
    (0x4, "power cap"),
    (0x8, "hardware slowdown"),
    (0x10, "sync boost"),
    (0x20, "thermal slowdown by software"),
    (0x40, "thermal slowdown by hardware"),
    (0x80, "power brake"),
    (0x100, "display clocks"),
];

/// What `nvidia-smi` says of a GPU, found by its place on the bus: its ordinals are others than CUDA's.
pub(crate) fn ask(bus_id: &str, fields: &str) -> Option<String> {
    let query = [
        format!("--query-gpu={fields}"),
        "--format=csv,noheader,nounits".to_owned(),
        format!("--id={bus_id}"),
    ];
    let said = Command::new("nvidia-smi").args(query).output().ok()?;
    let text = String::from_utf8(said.stdout).ok()?;
    said.status.success().then(|| text.trim().to_owned())
}

/// Whether work that has gone on for so long, while so many clocks were seen, has to go on; nobody may be looking any more.
fn goes_on(worked: Duration, clocks: usize, looking: bool) -> bool {
    looking && (worked < SPAN || (clocks < FEWEST && worked < PATIENCE))
}

/// Runs a prompt's step for a while and looks at the clocks meanwhile; none where `nvidia-smi` does not answer.
///
/// # Errors
/// When the device fails.
pub(crate) fn under_load(bench: &mut Bench, bus_id: &str) -> anyhow::Result<Option<UnderLoad>> {
    let begin = Instant::now();
    bench.work(|| begin.elapsed() < SETTLING)?;
    let (over, clocks) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut lines = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let said = ask(bus_id, "clocks.sm,clocks_event_reasons.active");
                let Some(line) = said else { break };
                // One that was asked for when the work was over shows clocks of a GPU that idles.
                if !over.load(Ordering::Relaxed) {
                    lines.push(line);
                    clocks.store(lines.len(), Ordering::Relaxed);
                }
            }
            lines
        });
        let begin = Instant::now();
        let worked =
            bench.work(|| goes_on(begin.elapsed(), clocks.load(Ordering::Relaxed), !looking.is_finished()));
        over.store(true, Ordering::Relaxed);
        let lines = looking.join().unwrap_or_default();
        worked.map(|()| seen(&lines))
    })
}

/// What lines of clock and reasons come to; lines that say nothing are left out.
fn seen(lines: &[String]) -> Option<UnderLoad> {
    let read = |line: &String| {
        let (clock, reasons) = line.split_once(',')?;
        let reasons = reasons.trim().trim_start_matches("0x");
        Some((clock.trim().parse::<f64>().ok()?, u64::from_str_radix(reasons, 16).unwrap_or(0)))
    };
    let samples: Vec<(f64, u64)> = lines.iter().filter_map(read).collect();
    let mut clocks: Vec<f64> = samples.iter().map(|sample| sample.0).collect();
    clocks.sort_by(f64::total_cmp);
    let (least, most) = (*clocks.first()?, *clocks.last()?);
    let middle = (clocks[(clocks.len() - 1) / 2] + clocks[clocks.len() / 2]) / 2.0;
    let all = samples.iter().fold(0, |all, sample| all | sample.1);
    let reasons = REASONS.iter().filter(|(bit, _)| all & bit != 0).map(|(_, name)| (*name).to_owned());
    Some(UnderLoad {
        samples: samples.len() as u64,
        sm_mhz: [least, middle, most],
        reasons: reasons.collect(),
    })
}

/// In words.
pub(crate) fn words(load: &UnderLoad) -> String {
    let [least, middle, most] = load.sm_mhz;
    let reasons = if load.reasons.is_empty() { "nothing".to_owned() } else { load.reasons.join(", ") };
    format!(
        "clocks.sm {least}–{most} MHz, median {middle}, samples {}, held down by: {reasons}",
        load.samples
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_waits_for_slow_answers_and_for_nobody() {
        let after = |ms, clocks, looking| goes_on(Duration::from_millis(ms), clocks, looking);
        assert!(after(1_999, 50, true) && after(19_999, 2, true), "its time, and slow answers");
        assert!(!after(2_000, 3, true) && !after(20_000, 2, true), "seen enough, and waited enough");
        assert!(!after(0, 0, false), "nobody looks");
    }

    #[test]
    fn clocks_are_those_of_the_lines_and_reasons_those_of_any() {
        let lines = ["1980, 0x0000000000000000", "1410, 0x0000000000000004", "1755, 0x24", "[N/A], 0x1"];
        let load = seen(&lines.map(str::to_owned)).unwrap();
        assert_eq!((load.samples, load.sm_mhz), (3, [1410.0, 1755.0, 1980.0]));
        assert_eq!(load.reasons, ["power cap", "thermal slowdown by software"]);
        assert_eq!(
            words(&load),
            "clocks.sm 1410–1980 MHz, median 1755, samples 3, held down by: power cap, thermal slowdown by software"
        );
        let two = seen(&["1000, 0x0".to_owned(), "1200, 0x0".to_owned()]).unwrap();
        assert_eq!(two.sm_mhz[1], 1100.0);
        assert_eq!(seen(&["[N/A], [N/A]".to_owned()]), None);
    }
}
