//! What must not stand in any file: paths of one machine, private package sources, things left half done.

use super::tree::{Finding, TrackedFile, Tree};
use serde_json::Value;

/// Folders that exist on one machine or belong to one person. Written apart, so that this file passes.
const MACHINE_FOLDERS: [&str; 6] = [
    concat!("/", "home/"),
    concat!("/", "root/"),
    concat!("/", "work/"),
    concat!("/", "tmp/"),
    concat!("/", "Users/"),
    concat!("/", "workspace/"),
];

pub(super) fn machine_paths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (line, text) in file.lines() {
            for folder in MACHINE_FOLDERS.iter().filter(|folder| has_absolute(text, folder)) {
                findings.push(file.finding(Some(line), format!("`{folder}` is a path of one machine")));
            }
        }
    }
    findings
}

/// Whether `folder` stands in the line as the beginning of a path, not inside of one or of an address.
fn has_absolute(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-/~}*$".contains(c))
    })
}

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
const NPM: &str = "https://registry.npmjs.org/";

pub(super) fn package_sources(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        match name {
            "Cargo.lock" => findings.extend(cargo_sources(file)),
            "package-lock.json" => findings.extend(npm_sources(file)),
            ".npmrc" | ".yarnrc" | "pip.conf" => {
                findings.push(file.finding(None, "settings of one machine's package client"));
            }
            _ if file.path.starts_with(".cargo/") => findings.extend(cargo_settings(file)),
            _ => {}
        }
    }
    findings
}

fn cargo_sources(file: &TrackedFile) -> Vec<Finding> {
    let sources = file
        .lines()
        .filter_map(|(line, text)| Some((line, text.strip_prefix("source = ")?.trim_matches('"'))));
    let foreign = sources.filter(|(_, source)| *source != CRATES_IO);
    foreign
        .map(|(line, source)| {
            file.finding(Some(line), format!("package source `{source}`, expected crates.io"))
        })
        .collect()
}

fn npm_sources(file: &TrackedFile) -> Vec<Finding> {
    let lock: Value = match serde_json::from_str(file.text.as_deref().unwrap_or_default()) {
        Ok(lock) => lock,
        Err(error) => return vec![file.finding(Some(error.line()), "is no JSON")],
    };
    let Some(packages) = lock["packages"].as_object() else {
        return vec![file.finding(None, "has no `packages`")];
    };
    let resolved = packages.values().filter_map(|package| package["resolved"].as_str());
    let foreign = resolved.filter(|address| !address.starts_with(NPM));
    foreign.map(|address| file.finding(None, format!("package source `{address}`, expected {NPM}"))).collect()
}

fn cargo_settings(file: &TrackedFile) -> Vec<Finding> {
    let foreign = file.lines().filter(|(_, text)| text.contains("[source.") || text.contains("[registries."));
    foreign.map(|(line, _)| file.finding(Some(line), "a package source of one machine")).collect()
}

const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("To be", " filled"),
];

pub(super) fn unfinished(tree: &Tree) -> Vec<Finding> {
    const KINDS: [&str; 11] =
        [".rs", ".mjs", ".js", ".html", ".css", ".md", ".toml", ".svg", ".cff", "/run", ".schema.json"];
    let mut findings = Vec::new();
    let sources = tree.files.iter().filter(|file| KINDS.iter().any(|kind| file.path.ends_with(kind)));
    for file in sources {
        for (line, text) in file.lines() {
            for word in UNFINISHED.iter().filter(|word| text.contains(**word)) {
                findings.push(file.finding(Some(line), format!("`{word}`: finish it or leave it out")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_machine_folder_is_found() {
        for folder in MACHINE_FOLDERS {
            let text = format!("first\nopen(\"{folder}x/y\")\n");
            let found = machine_paths(&Tree::of(&[("a.json", &text)]));
            assert_eq!(shown(&found), [format!("a.json:2: `{folder}` is a path of one machine")]);
        }
    }

    #[test]
    fn relative_paths_and_addresses_are_free() {
        let text =
            MACHINE_FOLDERS.iter().map(|f| format!("core{f}a ../x{f}a https://example.org{f}a $X{f}a\n"));
        assert_eq!(machine_paths(&Tree::of(&[("a.rs", &text.collect::<String>())])), []);
    }

    #[test]
    fn foreign_package_sources_are_found() {
        let tree = Tree::of(&[
            (
                "Cargo.lock",
                "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nsource = \"git+https://x\"\n",
            ),
            (
                "e2e/package-lock.json",
                r#"{"packages":{"":{},"node_modules/a":{"resolved":"https://registry.npmjs.org/a/-/a-1.tgz"},
                    "node_modules/b":{"resolved":"https://mirror.example/b-1.tgz"}}}"#,
            ),
            (".cargo/config.toml", "[alias]\n[source.crates-io]\n"),
            ("e2e/.npmrc", "registry=https://mirror.example\n"),
        ]);
        assert_eq!(
            shown(&package_sources(&tree)),
            [
                "Cargo.lock:2: package source `git+https://x`, expected crates.io",
                "e2e/package-lock.json: package source `https://mirror.example/b-1.tgz`, expected https://registry.npmjs.org/",
                ".cargo/config.toml:2: a package source of one machine",
                "e2e/.npmrc: settings of one machine's package client",
            ]
        );
        assert_eq!(package_sources(&Tree::of(&[("package-lock.json", "{")])).len(), 1);
    }

    #[test]
    fn unfinished_work_is_found() {
        for word in UNFINISHED {
            assert_eq!(
                unfinished(&Tree::of(&[("a.rs", &format!("x\n// {word} y"))]))[0].line,
                Some(2),
                "{word}"
            );
        }
        assert_eq!(unfinished(&Tree::of(&[("a.rs", "let todos = 1;"), ("a.bin", UNFINISHED[0])])), []);
    }
}
