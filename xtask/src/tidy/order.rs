//! The order of core's modules: each may use those below it, never one above.

use super::tree::{Finding, Tree};

/// From the top down. A new module gets its place here.
const ORDER: &[&str] = &[
    "advise",
    "figure",
    "report",
    "metrics",
    "policy",
    "serve",
    "learned",
    "predict",
    "interface",
    "context",
    "synth",
    "export",
    "import",
    "parse",
    "price",
    "choice",
    "rank",
    "trace",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust_under("core/src/") {
        let Some(own) = module_of(&file.path) else { continue };
        let Some(own_place) = place(own) else {
            findings.push(file.finding(None, format!("module `{own}` has no place in the order of modules")));
            continue;
        };
        for (line, text) in file.code_lines() {
            for used in modules_used(text) {
                let what = match place(used) {
                    Some(used_place) if used_place >= own_place => continue,
                    Some(_) => format!("`{own}` uses `{used}`, which stands above it"),
                    None => format!("`{own}` uses `{used}`, which has no place in the order of modules"),
                };
                findings.push(file.finding(Some(line), what));
            }
        }
    }
    findings
}

fn place(module: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == module)
}

/// `core/src/serve/clock.rs` and `core/src/serve.rs` belong to `serve`; `core/src/lib.rs` to none.
fn module_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("core/src/")?;
    if inner == "lib.rs" {
        return None;
    }
    Some(inner.split('/').next()?.trim_end_matches(".rs"))
}

/// The modules that `crate::…` paths of a line begin with, `crate::{a::X, b::Y}` included.
fn modules_used(line: &str) -> Vec<&str> {
    let mut used = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => used.extend(group_heads(group)),
            None => used.extend(word(rest)),
        }
    }
    used
}

fn group_heads(group: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let mut heads = Vec::new();
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                heads.extend(word(group[start..at].trim()));
                return heads;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.extend(word(group[start..at].trim()));
                start = at + 1;
            }
            _ => {}
        }
    }
    heads.extend(word(group[start..].trim()));
    heads
}

fn word(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn using_a_module_above_is_found() {
        let tree = Tree::of(&[
            ("core/src/trace/fold.rs", "use crate::trace::Run;\nuse crate::serve::Clock;\n"),
            ("core/src/serve/mod.rs", "use crate::trace::Run;\nfn f() -> crate::policy::Policy {}\n"),
            ("core/src/metrics.rs", "use crate::{serve::A, report::{B, C}, trace::D};\n"),
        ]);
        let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "core/src/trace/fold.rs:2: `trace` uses `serve`, which stands above it",
                "core/src/serve/mod.rs:2: `serve` uses `policy`, which stands above it",
                "core/src/metrics.rs:1: `metrics` uses `report`, which stands above it",
            ]
        );
    }

    #[test]
    fn modules_without_a_place_are_found() {
        let tree = Tree::of(&[
            ("core/src/util/mod.rs", "use crate::trace::Run;\n"),
            ("core/src/serve/mod.rs", "use crate::helpers::x;\n"),
        ]);
        let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "core/src/util/mod.rs: module `util` has no place in the order of modules",
                "core/src/serve/mod.rs:1: `serve` uses `helpers`, which has no place in the order of modules",
            ]
        );
    }

    #[test]
    fn uses_of_itself_and_below_are_fine() {
        let tree = Tree::of(&[
            ("core/src/lib.rs", "pub mod anything;\n"),
            ("core/src/metrics/mod.rs", "use crate::{policy::P, trace::{A, B}};\nuse crate::metrics::M;\n"),
        ]);
        assert_eq!(check(&tree), []);
    }
}
