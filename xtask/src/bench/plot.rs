//! The simulator's series as a figure: microseconds a call by number of calls, stacked by their parts. Written as plain
//! SVG, so that this program needs no library of plots, and drawn from nothing but the record that stands beside it.

use super::simulate::{Found, PARTS};
use crate::shell::{Shell, ask};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

/// What both files are called.
const NAME: &str = "cost-per-call";
/// The sessions of the series (`core/benches/simulate`).
const INPUT: &str = "data/claude-code.ndjson.gz";
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 356.0;
const MARGIN: f64 = 16.0;
/// The axes' rectangle.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 536.0;
const TOP: f64 = 90.0;
const BOTTOM: f64 = 306.0;
/// Least distance of two lines of text.
const LINE: f64 = 16.0;
/// Paper, ink, soft ink, rules and one fill a part, on light and on dark ground: those of all figures
/// (`core/src/figure/theme.rs`).
const THEMES: [[&str; 7]; 2] = [
    ["#fbf9f3", "#1a1917", "#5c5953", "#ddd9ce", "#1f6fa8", "#0b7a5b", "#b05a0c"],
    ["#141516", "#e9e5db", "#a9a59b", "#343536", "#6fb2e4", "#4fc09a", "#e09a4a"],
];

/// Writes the record and the figure into `folder`, else below `target`.
pub(super) fn write(shell: &Shell, folder: Option<&Path>, series: &[Found]) -> Result<()> {
    let record = json!({
        "what": "processor time of a simulated call, by number of calls",
        "origin": "measured",
        "provenance": provenance(shell, folder)?,
        "series": series.iter().map(point).collect::<Vec<_>>(),
    });
    let folder = folder.map_or_else(|| shell.target_dir().join("bench"), |folder| shell.root.join(folder));
    fs::create_dir_all(&folder).with_context(|| format!("could not make `{}`", folder.display()))?;
    let files = [("json", format!("{record:#}\n")), ("svg", svg(&record)?)];
    for (kind, text) in files {
        let path = folder.join(format!("{NAME}.{kind}"));
        fs::write(&path, text).with_context(|| format!("could not write `{}`", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

fn point(found: &Found) -> Value {
    let parts = PARTS.iter().zip(found.parts_us).map(|(part, us)| ((*part).to_owned(), json!(us)));
    json!({
        "calls": found.calls,
        "mean_prompt_tokens": found.mean_prompt_tokens,
        "seconds": found.seconds,
        "us_per_call": parts.collect::<serde_json::Map<_, _>>(),
        "peak_mb": found.peak_mb,
    })
}

/// Where the figures come from, in the words of a report.
fn provenance(shell: &Shell, folder: Option<&Path>) -> Result<Value> {
    let folder = folder.map(|folder| format!(" --plot {}", folder.display())).unwrap_or_default();
    let described = ["describe", "--always", "--dirty", "--exclude=*"];
    let commit = ask(Path::new("git"), &described).unwrap_or_else(|| "unknown".to_owned());
    let bytes = fs::read(shell.root.join(INPUT)).with_context(|| format!("could not read `{INPUT}`"))?;
    let sha256 = Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    Ok(json!({
        "command": format!("cargo xtask bench simulate{folder}"),
        "version": env!("CARGO_PKG_VERSION"),
        "commit": commit,
        "inputs": [{"path": INPUT, "sha256": sha256}],
        "machine": machine(),
        "created": ask(Path::new("date"), &["-u", "+%Y-%m-%d"]).context("`date` does not tell the date")?,
    }))
}

/// The processor, as Linux calls it.
fn machine() -> String {
    let said = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        said.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim()));
    let cores = available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} logical processors", model.unwrap_or("unknown processor"))
}

/// The series and its scale.
struct Plot {
    /// Calls, and microseconds a call by part.
    points: Vec<(f64, [f64; PARTS.len()])>,
    step_us: f64,
    steps: u32,
}

impl Plot {
    fn of(record: &Value) -> Result<Plot> {
        let point = |one: &Value| {
            let part = |part: &str| one["us_per_call"][part].as_f64().filter(|us| *us >= 0.0);
            let [build, prefixes, simulate] = PARTS.map(part);
            Some((one["calls"].as_f64().filter(|calls| *calls >= 1.0)?, [build?, prefixes?, simulate?]))
        };
        let series = record["series"].as_array().map(Vec::as_slice).unwrap_or_default();
        let points: Option<Vec<_>> = series.iter().map(point).collect();
        let points = points.context("a point of the series lacks its calls or a part of its cost")?;
        if points.len() < 2 || points.windows(2).any(|two| two[0].0 >= two[1].0) {
            bail!("a plot needs two numbers of calls and more, in ascending order");
        }
        let most = points.iter().map(|point| point.1.iter().sum()).fold(f64::MIN_POSITIVE, f64::max);
        let step_us = round_step(most / 5.0);
        Ok(Plot { points, step_us, steps: (most / step_us).ceil() as u32 })
    }

    /// Right by the logarithm of the calls.
    fn x(&self, calls: f64) -> f64 {
        let [first, last] = [self.points[0].0, self.points[self.points.len() - 1].0].map(f64::log10);
        LEFT + (calls.log10() - first) / (last - first) * (RIGHT - LEFT)
    }

    fn y(&self, us: f64) -> f64 {
        BOTTOM - us / (self.step_us * f64::from(self.steps)) * (BOTTOM - TOP)
    }

    /// Where a part begins and ends at a point, in microseconds.
    fn band(&self, at: usize, part: usize) -> [f64; 2] {
        let below: f64 = self.points[at].1[..part].iter().sum();
        [below, below + self.points[at].1[part]]
    }
}

/// The next of 1, 2, 5 and their tenfolds.
fn round_step(least: f64) -> f64 {
    let tens = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|factor| factor * tens).find(|step| *step >= least).unwrap_or(tens * 10.0)
}

/// The figure of a record.
fn svg(record: &Value) -> Result<String> {
    let plot = Plot::of(record)?;
    let said = |key: &str| escaped(record["provenance"][key].as_str().unwrap_or("unknown"));
    let origin = escaped(record["origin"].as_str().unwrap_or("unknown origin"));
    let title = "Cost of a simulated call, by number of calls";
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"t\">\n\
         <title id=\"t\">{title}: microseconds of processor time, stacked by {}</title>\n{}\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n",
        PARTS.join(", "),
        style()
    );
    let made = format!("{}, version {} ({})", said("created"), said("version"), said("commit"));
    text(&mut out, "ink head", [MARGIN, 22.0], title);
    text(
        &mut out,
        "soft",
        [MARGIN, 40.0],
        &format!("{origin}, processor time of one thread: {}", said("machine")),
    );
    text(&mut out, "soft", [MARGIN, 40.0 + LINE], &made);
    axes(&mut out, &plot);
    bands(&mut out, &plot);
    out.push_str("</svg>\n");
    Ok(out)
}

/// The colours, by what the viewer prefers.
fn style() -> String {
    let rules = |theme: [&str; 7]| {
        let [paper, ink, soft, rule, fills @ ..] = theme;
        let parts = fills.iter().enumerate().map(|(part, fill)| format!(".p{part}{{fill:{fill}}}"));
        format!(
            ".paper{{fill:{paper}}}.ink{{fill:{ink}}}.soft{{fill:{soft}}}.rule{{stroke:{rule}}}{}",
            parts.collect::<String>()
        )
    };
    let [light, dark] = THEMES.map(rules);
    format!(
        "<style>text{{font:12px Inter,system-ui,sans-serif}}.head{{font-weight:600;font-size:14px}}\
         .m{{text-anchor:middle}}.e{{text-anchor:end}}\n{light}\n@media(prefers-color-scheme:dark){{{dark}}}</style>\n"
    )
}

fn axes(out: &mut String, plot: &Plot) {
    for step in 0..=plot.steps {
        let us = f64::from(step) * plot.step_us;
        let y = plot.y(us);
        let _ = writeln!(out, "<path class=\"rule\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
        text(out, "soft e", [LEFT - 8.0, y + 4.0], &plain(us, plot.step_us));
    }
    text(out, "soft", [LEFT, TOP - 8.0], "µs a call");
    for (calls, _) in &plot.points {
        let x = plot.x(*calls);
        let _ = writeln!(out, "<path class=\"rule\" d=\"M{x:.1} {BOTTOM}v5\"/>");
        text(out, "soft m", [x, BOTTOM + 20.0], &grouped(*calls));
    }
    text(out, "soft m", [f64::midpoint(LEFT, RIGHT), BOTTOM + 40.0], "calls (logarithmic)");
}

/// The stacked parts, each with its name where it ends on the right.
fn bands(out: &mut String, plot: &Plot) {
    let last = plot.points.len() - 1;
    let mut free = f64::INFINITY;
    for (part, name) in PARTS.iter().enumerate() {
        let corner = |at: usize, side: usize| {
            format!("{:.1},{:.1}", plot.x(plot.points[at].0), plot.y(plot.band(at, part)[side]))
        };
        let over = (0..=last).map(|at| corner(at, 1));
        let back = (0..=last).rev().map(|at| corner(at, 0));
        let corners = over.chain(back).collect::<Vec<_>>().join(" ");
        let _ = writeln!(out, "<polygon class=\"p{part}\" points=\"{corners}\"/>");
        // From the bottom up, none over the one below.
        let [from, to] = plot.band(last, part);
        let y = (plot.y(f64::midpoint(from, to)) + 4.0).min(free);
        free = y - LINE;
        text(out, &format!("p{part}"), [RIGHT + 8.0, y], &format!("{name} {}", plain(to - from, 0.01)));
    }
}

fn text(out: &mut String, class: &str, [x, y]: [f64; 2], text: &str) {
    let _ = writeln!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A number in as many digits as its step has.
fn plain(value: f64, step: f64) -> String {
    let digits = (-step.log10().floor()).max(0.0) as usize;
    format!("{value:.digits$}")
}

/// A whole number in groups of three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let comma = |(at, digit): (usize, char)| {
        let begins = at > 0 && (digits.len() - at).is_multiple_of(3);
        begins.then_some(',').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(comma).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::simulate::found;

    fn run(calls: u32, [build, tree, engine]: [u32; 3]) -> Found {
        let line = format!(
            r#"{{"calls":{calls},"mean_prompt_tokens":9,"seconds":0.5,"build_ns":{build}000,"tree_ns":{tree}000,"engine_ns":{engine}000,"input_mb":1,"peak_mb":2}}"#
        );
        found(&line).unwrap()
    }

    /// Made up: parts of 1, 2 and 3, then of 2, 2 and 4 microseconds a call.
    fn made_up() -> Value {
        let parts = [(1_000, [1, 2, 3]), (10_000, [1, 2, 3]), (100_000, [2, 2, 4])];
        let series: Vec<Value> = parts.iter().map(|(calls, parts)| point(&run(*calls, *parts))).collect();
        let provenance =
            json!({"machine": "A <B> & C", "created": "2000-01-02", "version": "1.2.3", "commit": "abc"});
        json!({"origin": "made up", "provenance": provenance, "series": series})
    }

    #[test]
    fn a_made_up_series_is_drawn_as_ever() {
        let drawn = svg(&made_up()).unwrap();
        let expected = include_str!("expected.svg");
        if std::env::var_os("ATR_UPDATE").is_some() {
            fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bench/expected.svg"), &drawn).unwrap();
        } else {
            assert_eq!(drawn, expected, "set ATR_UPDATE to take it over, and look at it");
        }
    }

    #[test]
    fn parts_stand_on_each_other_and_tenfolds_at_equal_distances() {
        let plot = Plot::of(&made_up()).unwrap();
        assert_eq!([plot.step_us, f64::from(plot.steps)], [2.0, 4.0]);
        assert_eq!(
            [plot.x(1_000.0), plot.x(10_000.0), plot.x(100_000.0)],
            [LEFT, f64::midpoint(LEFT, RIGHT), RIGHT]
        );
        assert_eq!([plot.y(0.0), plot.y(4.0), plot.y(8.0)], [BOTTOM, f64::midpoint(TOP, BOTTOM), TOP]);
        assert_eq!([plot.band(2, 0), plot.band(2, 1), plot.band(2, 2)], [[0.0, 2.0], [2.0, 4.0], [4.0, 8.0]]);
    }

    #[test]
    fn what_is_no_series_is_refused() {
        assert!(svg(&json!({"series": []})).is_err());
        let mut record = made_up();
        record["series"][1]["calls"] = json!(1_000);
        assert!(svg(&record).is_err());
        record = made_up();
        record["series"][1]["us_per_call"]["build"] = Value::Null;
        assert!(svg(&record).is_err());
    }

    #[test]
    fn record_and_figure_are_written_beside_each_other() {
        let shell = Shell::open().unwrap();
        let folder = std::env::temp_dir().join(format!("atr-{NAME}-{}", std::process::id()));
        write(&shell, Some(&folder), &[run(10, [1, 2, 3]), run(20, [1, 2, 3])]).unwrap();
        let read = |kind: &str| fs::read_to_string(folder.join(format!("{NAME}.{kind}"))).unwrap();
        let (record, drawn): (Value, String) = (serde_json::from_str(&read("json")).unwrap(), read("svg"));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(drawn, svg(&record).unwrap());
        assert_eq!(record["origin"], "measured");
        assert_eq!(record["series"][1]["us_per_call"]["simulate"], 3.0);
        let made = &record["provenance"];
        assert!(made["command"].as_str().unwrap().starts_with("cargo xtask bench simulate --plot "));
        assert_eq!(made["inputs"][0]["sha256"].as_str().map(str::len), Some(64));
        assert!(
            ["machine", "created", "commit", "version"].iter().all(|key| made[key].is_string()),
            "{made}"
        );
    }

    #[test]
    fn colours_are_those_of_all_figures() {
        let themes = include_str!("../../../core/src/figure/theme.rs");
        for colour in THEMES.as_flattened() {
            let [red, green, blue] = [1, 3, 5].map(|at| &colour[at..at + 2]);
            let written = format!("Rgb(0x{red}, 0x{green}, 0x{blue})");
            assert!(themes.contains(&written), "{written}");
        }
    }

    #[test]
    fn the_figure_of_the_guide_is_that_of_its_record() {
        let read =
            |kind: &str| fs::read_to_string(format!("{}/../docs/{NAME}.{kind}", env!("CARGO_MANIFEST_DIR")));
        let (record, drawn) = (read("json"), read("svg"));
        assert_eq!(record.is_ok(), drawn.is_ok(), "one of the two is missing");
        if let (Ok(record), Ok(drawn)) = (record, drawn) {
            let record: Value = serde_json::from_str(&record).unwrap();
            assert_eq!(record["origin"], "measured");
            assert_eq!(svg(&record).unwrap(), drawn);
        }
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([999.0, 10_000.0, 1_000_000.0].map(grouped), ["999", "10,000", "1,000,000"]);
        assert_eq!([round_step(0.3), round_step(2.0), round_step(6.0)], [0.5, 2.0, 10.0]);
        assert_eq!([plain(0.5, 0.1), plain(4.0, 2.0), plain(0.126, 0.01)], ["0.5", "4", "0.13"]);
    }
}
