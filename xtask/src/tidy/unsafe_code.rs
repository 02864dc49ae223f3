//! Unsafe code: only where C is called, and there each block says why it is sound.

use super::tree::{Finding, TrackedFile, Tree};

/// The one folder that may hold it: NVIDIA's libraries are C.
const FOLDER: &str = "native/src/gpu/";
/// Written apart, so that this file passes.
const KEYWORD: &str = concat!("uns", "afe");
const ALLOWED: [&str; 2] = [concat!("allow(uns", "afe_code"), concat!("expect(uns", "afe_code")];
/// What the comment beside a block begins with, and what the doc comment of a function has as a heading.
const REASON: &str = "// SAFETY: ";
const DUTY: &str = "/// # Safety";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files.iter().filter(|file| file.is_rust()).flat_map(check_file).collect()
}

fn check_file(file: &TrackedFile) -> Vec<Finding> {
    let lines: Vec<&str> = file.lines().map(|(_, line)| line).collect();
    let may = file.path.starts_with(FOLDER);
    let mut findings = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        for what in uses(line) {
            if !may {
                findings.push(file.finding(Some(at + 1), format!("`{what}` outside of {FOLDER}")));
            } else if !is_justified(&lines, at, &what) {
                findings.push(file.finding(Some(at + 1), format!("`{what}` without a reason beside it")));
            }
        }
    }
    findings
}

/// The keyword with what follows it, and lints that are switched off for it; not in comments.
fn uses(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let blocks = code.match_indices(KEYWORD).filter_map(|(at, _)| {
        let word_before = code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let follows = code[at + KEYWORD.len()..].strip_prefix(' ').unwrap_or_default();
        let follows =
            ["{", "fn", "impl", "trait", "extern"].into_iter().find(|what| follows.starts_with(what));
        follows.filter(|_| !word_before).map(|what| format!("{KEYWORD} {what}"))
    });
    let lints = ALLOWED.iter().filter(|lint| code.contains(**lint)).map(|lint| (*lint).to_owned());
    blocks.chain(lints).collect()
}

/// Whether the comment right above line `at` says why what stands there is sound. A lint that is switched off for a file of
/// the folder needs none: each block has its own.
fn is_justified(lines: &[&str], at: usize, what: &str) -> bool {
    let begin = if what.ends_with("fn") { DUTY } else { REASON };
    let above = lines[..at].iter().rev().map(|line| line.trim_start());
    let mut comment = above.take_while(|line| line.starts_with("//") || line.starts_with("#["));
    ALLOWED.contains(&what) || comment.any(|line| line.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples are written with `@` for the keyword.
    fn found(path: &str, text: &str) -> Vec<String> {
        let text = text.replace('@', KEYWORD);
        let found = check(&Tree::of(&[(path, &text)]));
        found.iter().map(|finding| finding.to_string().replace(KEYWORD, "@")).collect()
    }

    #[test]
    fn outside_of_the_folder_nothing_is_free() {
        let text = "// SAFETY: sound.\n@ { y }\n#![allow(@_code, reason = \"C\")]\nlet x = @ { y };\n@ impl Send for A {}\n";
        for path in ["a.rs", "native/src/main.rs", "native/src/gpu.rs", "core/native/src/gpu/a.rs"] {
            let lines = found(path, text);
            assert_eq!(lines.len(), 4, "{path}: {lines:?}");
            assert_eq!(lines[0], format!("{path}:2: `@ {{` outside of native/src/gpu/"));
        }
        assert_eq!(found("a.rs", "#![deny(@_code)]\n// an @ {thing}\nlet not_@ = 1;\n"), [""; 0]);
    }

    #[test]
    fn in_the_folder_every_block_has_its_reason_right_above() {
        let path = "native/src/gpu/a.rs";
        let good = "#![allow(@_code, reason = \"C\")]\n// SAFETY: the driver writes one number,\n// and no more.\nlet x = @ { y };\n\
            /// Frees.\n///\n/// # Safety\n/// Once.\n#[inline]\n@ fn free() {}\n";
        assert_eq!(found(path, good), [""; 0]);
        let bare = |text: &str| found(path, text);
        assert_eq!(bare("let x = @ { y };\n"), ["native/src/gpu/a.rs:1: `@ {` without a reason beside it"]);
        assert_eq!(bare("// SAFETY: sound.\n\nlet x = @ { y };\n").len(), 1, "an empty line between");
        assert_eq!(
            bare("// SAFETY: sound.\nlet x = @ { y };\nlet z = @ { y };\n").len(),
            1,
            "one reason for two"
        );
        assert_eq!(bare("// it is sound\n@ { y }\n").len(), 1, "another comment");
        assert_eq!(
            bare("// SAFETY: sound.\n@ fn free() {}\n").len(),
            1,
            "a function says what its caller owes"
        );
    }
}
