//! The deployable page: built by trunk into `dist/`, with its sizes as a server would send them.

use crate::shell::{Shell, read, run as run_command, which};
use crate::tools;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// `cargo xtask site`.
pub(crate) fn run(shell: &Shell) -> Result<()> {
    build(shell)?;
    for line in size_lines(&sizes(shell)?) {
        println!("{line}");
    }
    println!("\nthe page is in dist/; copy the folder to any path of any static server");
    Ok(())
}

/// Builds the page for release.
pub(crate) fn build(shell: &Shell) -> Result<()> {
    let tools = tools::ensure(shell)?;
    let mut trunk = shell.command(&tools.trunk);
    trunk.args(["build", "--release", "--skip-version-check"]).env("PATH", tools.path()?);
    // trunk takes this variable for its own flag and refuses values such as `1`.
    trunk.env_remove("NO_COLOR");
    trunk.args(["--offline", if tools.complete { "true" } else { "false" }]);
    run_command(&mut trunk)?;
    check(&shell.root.join("dist"))
}

/// A page that works from any sub-path names its files relative to itself.
fn check(dist: &Path) -> Result<()> {
    let index = dist.join("index.html");
    let page = fs::read_to_string(&index).with_context(|| format!("trunk wrote no `{}`", index.display()))?;
    if let Some(at) = rooted_reference(&page) {
        bail!(
            "dist/index.html refers to `{at}`: expected a path relative to the page, see public_url in Trunk.toml"
        );
    }
    Ok(())
}

/// The first `href` or `src` that begins at the server's root.
fn rooted_reference(page: &str) -> Option<&str> {
    ["href=\"/", "src=\"/", "from '/", "from \"/", "href=/", "src=/"].iter().find_map(|start| {
        let at = page.find(start)?;
        let value = &page[at + start.len() - 1..];
        Some(&value[..value.find(['"', '\'', ' ', '>']).unwrap_or(value.len())])
    })
}

/// What `e2e/sizes.mjs` measures of `dist/`.
fn sizes(shell: &Shell) -> Result<Value> {
    if which("node").is_none() {
        bail!("measuring compressed sizes needs node, which is not on PATH");
    }
    let text = read(shell.command("node").args(["e2e/sizes.mjs", "dist"]))?;
    serde_json::from_str(&text).context("e2e/sizes.mjs wrote no JSON")
}

/// One aligned line a file, and the sum.
fn size_lines(sizes: &Value) -> Vec<String> {
    let mut lines = vec![format!("{:<44} {:>9} {:>9} {:>9}", "dist/ (KB)", "raw", "gzip", "brotli")];
    let files = sizes["files"].as_array().map(Vec::as_slice).unwrap_or_default();
    for file in files.iter().chain([&sizes["total"]]) {
        let name = file["path"].as_str().unwrap_or("all files");
        let kb = |key: &str| match file[key].as_f64() {
            Some(bytes) => format!("{:.1}", bytes / 1000.0),
            None => "-".to_owned(),
        };
        lines.push(format!("{name:<44} {:>9} {:>9} {:>9}", kb("raw"), kb("gzip"), kb("brotli")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooted_references_are_found() {
        assert_eq!(rooted_reference("<link href=\"/a.css\">"), Some("/a.css"));
        assert_eq!(rooted_reference("<script>import init from '/a.js';"), Some("/a.js"));
        assert_eq!(rooted_reference("<link href=\"./a.css\"><a href=\"#top\"><a href=\"https://x/\">"), None);
    }

    #[test]
    fn sizes_stand_in_columns() {
        let sizes = serde_json::json!({
            "files": [{"path": "a.wasm", "raw": 2000, "gzip": 1000, "brotli": null}],
            "total": {"raw": 2000, "gzip": 1000, "brotli": 900},
        });
        let lines = size_lines(&sizes);
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["a.wasm", "2.0", "1.0", "-"]);
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["all", "files", "2.0", "1.0", "0.9"]);
    }
}
