//! Data and reports: made by the project's own binary; this file knows when they are stale and puts the hero
//! figure into the page's first paint.

use crate::shell::{Shell, ask, run as run_command};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const HERO: &str = "reports/figures/race.svg";
const BEGIN: &str = "<!-- hero:begin -->";
/// The report that the hero figure draws.
const HERO_REPORT: &str = "reports/race.json";
const END: &str = "<!-- hero:end -->";

/// `cargo xtask data DIR`.
pub(crate) fn data(shell: &Shell, raw: &Path) -> Result<()> {
    if !raw.is_dir() {
        bail!("`{}` is no folder: expected the one with the public sources", raw.display());
    }
    let raw = raw.canonicalize().with_context(|| format!("could not resolve `{}`", raw.display()))?;
    run_command(binary(shell, true).arg("data").arg(raw).args(["--out", "data"]))
}

/// `cargo xtask reports`.
pub(crate) fn run(shell: &Shell, check: bool) -> Result<()> {
    make(shell, true, check)?;
    hero(&shell.root, check)
}

/// As [`run`] with `check`, by the unoptimised binary that the tests have built anyway.
pub(crate) fn check_with_test_build(shell: &Shell) -> Result<()> {
    make(shell, false, true)?;
    hero(&shell.root, true)
}

fn make(shell: &Shell, release: bool, check: bool) -> Result<()> {
    let mut command = binary(shell, release);
    command.args(["report", "--all", "--data", "data", "--out", "reports"]);
    if check {
        command.arg("--check");
    }
    run_command(&mut command)
}

/// `atr-bench` through cargo, to be given its own words.
fn binary(shell: &Shell, release: bool) -> std::process::Command {
    let mut command = shell.cargo();
    command.args(["run", "--quiet", "--package", "atr-bench"]);
    if release {
        command.arg("--release");
    }
    command.arg("--");
    command
}

/// Puts the hero figure between its markers in index.html, or says that what stands there is old.
fn hero(root: &Path, check: bool) -> Result<()> {
    let file = root.join("index.html");
    let page = fs::read_to_string(&file).with_context(|| format!("could not read `{}`", file.display()))?;
    let svg = fs::read_to_string(root.join(HERO)).with_context(|| format!("could not read `{HERO}`"))?;
    let report = fs::read_to_string(root.join(HERO_REPORT))
        .with_context(|| format!("could not read `{HERO_REPORT}`"))?;
    let fresh = splice(&page, &format!("{svg}\n{}", caption(&report)?))?;
    if fresh == page {
        return Ok(());
    }
    if check {
        bail!("index.html shows an old {HERO}: run `cargo xtask reports`");
    }
    fs::write(&file, fresh).with_context(|| format!("could not write `{}`", file.display()))
}

/// What the static figure is: title, origin, report and command, as the report itself says.
fn caption(report: &str) -> Result<String> {
    let report: Value =
        serde_json::from_str(report).with_context(|| format!("`{HERO_REPORT}` is no JSON"))?;
    let text = |pointer: &str| {
        let text = report.pointer(pointer).and_then(Value::as_str);
        text.map(escape).with_context(|| format!("`{HERO_REPORT}` has no text at `{pointer}`"))
    };
    Ok(format!(
        "<figcaption>{}. Origin: {}. Tool time is left out. <a href=\"./{HERO_REPORT}\">Report</a>, made by \
         <code>{}</code></figcaption>",
        text("/title")?,
        text("/origin")?,
        text("/provenance/command")?
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The page with the figure between the markers.
fn splice(page: &str, svg: &str) -> Result<String> {
    let begin = page.find(BEGIN).with_context(|| format!("index.html has no `{BEGIN}`"))? + BEGIN.len();
    let end = page.find(END).with_context(|| format!("index.html has no `{END}`"))?;
    if end < begin {
        bail!("index.html has `{END}` before `{BEGIN}`");
    }
    let drawing = svg.find("<svg").with_context(|| format!("{HERO} holds no `<svg`"))?;
    Ok(format!("{}\n{}\n{}", &page[..begin], svg[drawing..].trim_end(), &page[end..]))
}

/// Why the reports should be made anew; `None` when they are fresh as far as can be told without making them.
pub(crate) fn staleness(shell: &Shell) -> Result<Option<String>> {
    let reports = json_files(&shell.root.join("reports"))?;
    if reports.is_empty() {
        return Ok(Some("there are none".to_owned()));
    }
    for file in &reports {
        let text =
            fs::read_to_string(file).with_context(|| format!("could not read `{}`", file.display()))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if let Some(why) = stale_input(&shell.root, &name, &text)? {
            return Ok(Some(why));
        }
    }
    if hero(&shell.root, true).is_err() {
        return Ok(Some("index.html does not show the committed hero figure".to_owned()));
    }
    Ok(changed_since(shell, &reports))
}

/// The first input of a report whose content is not the one that the report names.
fn stale_input(root: &Path, name: &str, report: &str) -> Result<Option<String>> {
    let Ok(report) = serde_json::from_str::<Value>(report) else {
        return Ok(Some(format!("reports/{name} is no JSON")));
    };
    let inputs = report["provenance"]["inputs"].as_array().map(Vec::as_slice).unwrap_or_default();
    for input in inputs {
        let path = input["path"].as_str().unwrap_or_default();
        let Ok(bytes) = fs::read(root.join(path)) else {
            return Ok(Some(format!("reports/{name} was made from `{path}`, which cannot be read")));
        };
        if input["sha256"].as_str() != Some(&sha256(&bytes)) {
            return Ok(Some(format!("`{path}` has changed since reports/{name} was made")));
        }
    }
    Ok(None)
}

/// Code that was edited here after the oldest report was written. What is committed is proved by the tests.
fn changed_since(shell: &Shell, reports: &[PathBuf]) -> Option<String> {
    let modified = |file: &Path| file.metadata().and_then(|meta| meta.modified()).ok();
    let oldest: SystemTime = reports.iter().filter_map(|file| modified(file)).min()?;
    let root = shell.root.to_string_lossy();
    let words =
        ["-C", &root, "status", "--porcelain", "--untracked-files=all", "--", "core/src", "native/src"];
    let edited = ask(Path::new("git"), &words)?;
    let paths =
        edited.lines().filter_map(|line| line.trim_start().split_once(' ')).map(|(_, path)| path.trim());
    paths
        .filter(|path| modified(&shell.root.join(path)).is_some_and(|time| time > oldest))
        .map(|path| format!("`{path}` was edited after they were made"))
        .next()
}

fn json_files(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("could not list `{}`", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

/// The SHA-256 of `bytes`, in hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hero_replaces_what_stands_between_its_markers() {
        let page = format!("<main>{BEGIN}old{END}</main>");
        let fresh = splice(&page, "<?xml version=\"1.0\"?>\n<svg>new</svg>\n").unwrap();
        assert_eq!(fresh, format!("<main>{BEGIN}\n<svg>new</svg>\n{END}</main>"));
        assert_eq!(splice(&fresh, "<svg>new</svg>").unwrap(), fresh, "a second time changes nothing");
    }

    #[test]
    fn the_caption_says_what_the_report_says() {
        let report = r#"{"title":"One <session>","origin":"simulated","provenance":{"command":"atr-bench report race"}}"#;
        let caption = caption(report).unwrap();
        assert!(caption.contains("One &lt;session&gt;. Origin: simulated."), "{caption}");
        assert!(caption.contains("<code>atr-bench report race</code>"), "{caption}");
        let error = super::caption("{}").unwrap_err().to_string();
        assert_eq!(error, "`reports/race.json` has no text at `/title`");
    }

    #[test]
    fn missing_markers_and_drawings_are_named() {
        let error = |page: &str, svg: &str| splice(page, svg).unwrap_err().to_string();
        assert_eq!(error("<main>", "<svg>"), "index.html has no `<!-- hero:begin -->`");
        assert_eq!(error(BEGIN, "<svg>"), "index.html has no `<!-- hero:end -->`");
        assert!(error(&format!("{END}{BEGIN}"), "<svg>").contains("before"));
        assert!(error(&format!("{BEGIN}{END}"), "nothing").contains("holds no `<svg`"));
    }

    #[test]
    fn a_report_is_stale_when_its_input_changed() {
        let root = std::env::temp_dir().join(format!("xtask-stale-{}", std::process::id()));
        fs::create_dir_all(root.join("data")).unwrap();
        fs::write(root.join("data/a.gz"), "abc").unwrap();
        // From `printf abc | sha256sum`.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let report = |path: &str, hash: &str| {
            format!("{{\"provenance\":{{\"inputs\":[{{\"path\":\"{path}\",\"sha256\":\"{hash}\"}}]}}}}")
        };
        let why = |text: &str| stale_input(&root, "r.json", text).unwrap();
        assert_eq!(why(&report("data/a.gz", abc)), None);
        assert_eq!(
            why(&report("data/a.gz", &abc.replace('b', "c"))).as_deref(),
            Some("`data/a.gz` has changed since reports/r.json was made")
        );
        assert!(why(&report("data/b.gz", abc)).unwrap().contains("cannot be read"));
        assert_eq!(why("{").as_deref(), Some("reports/r.json is no JSON"));
        fs::remove_dir_all(root).unwrap();
    }
}
