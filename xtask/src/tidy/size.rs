//! Sizes that must stay small: a Rust file, a function, the repository.

use super::tree::{Finding, Tree};

const MAX_LINES: usize = 400;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_TREE_BYTES: u64 = 60 * 1024 * 1024;

pub(super) fn files(tree: &Tree) -> Vec<Finding> {
    let rust = tree.files.iter().filter(|file| file.is_rust());
    rust.filter_map(|file| {
        let lines = file.lines().count();
        (lines > MAX_LINES)
            .then(|| file.finding(None, format!("{lines} lines, at most {MAX_LINES}: divide it")))
    })
    .collect()
}

pub(super) fn functions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.is_rust()) {
        // The function that is open: its name, first line and indent. rustfmt closes it at the same indent.
        let mut open: Option<(&str, usize, usize)> = None;
        for (number, text) in file.lines() {
            let indent = text.len() - text.trim_start().len();
            match open {
                None => open = function_name(text).map(|name| (name, number, indent)),
                Some((name, first, at)) if indent == at && text.trim_start().starts_with('}') => {
                    let lines = number - first + 1;
                    if lines > MAX_FUNCTION_LINES {
                        let what =
                            format!("`{name}` has {lines} lines, at most {MAX_FUNCTION_LINES}: divide it");
                        findings.push(file.finding(Some(first), what));
                    }
                    open = None;
                }
                Some((_, _, at)) if indent == at && text.ends_with(';') => open = None,
                Some(_) => {}
            }
        }
    }
    findings
}

/// The name of the function that a line begins and does not end.
fn function_name(line: &str) -> Option<&str> {
    let words = line.trim_start();
    let words =
        words.strip_prefix("pub").map_or(words, |rest| rest.split_once(' ').map_or(rest, |(_, rest)| rest));
    let words =
        ["const ", "async "].iter().fold(words, |words, word| words.strip_prefix(word).unwrap_or(words));
    let name = words.strip_prefix("fn ")?;
    let ends = line.ends_with(';') || line.ends_with('}');
    (!ends).then(|| &name[..name.find(['(', '<']).unwrap_or(name.len())])
}

pub(super) fn repository(tree: &Tree) -> Vec<Finding> {
    let total: u64 = tree.files.iter().map(|file| file.bytes).sum();
    let largest = tree.files.iter().max_by_key(|file| file.bytes);
    match largest {
        Some(file) if total > MAX_TREE_BYTES => {
            let what = format!(
                "the tracked files hold {total} bytes, at most {MAX_TREE_BYTES}; this is the largest"
            );
            vec![file.finding(None, what)]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_rust_file_is_found() {
        let long = "//\n".repeat(MAX_LINES + 1);
        let fits = "//\n".repeat(MAX_LINES);
        let tree = Tree::of(&[("a.rs", &long), ("b.rs", &fits), ("c.md", &long)]);
        let found: Vec<String> = files(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["a.rs: 401 lines, at most 400: divide it"]);
    }

    #[test]
    fn a_long_function_is_found() {
        let body = |lines: usize| "        x;\n".repeat(lines);
        let text = format!(
            "trait T {{\n    fn declared(\n        a: u8,\n    );\n}}\nimpl A {{\n    pub(crate) fn short() {{\n{}    }}\n    \
             pub fn long<T>() {{\n{}    }}\n    fn one() {{ y }}\n}}\n",
            body(MAX_FUNCTION_LINES - 2),
            body(MAX_FUNCTION_LINES - 1)
        );
        let found: Vec<String> =
            functions(&Tree::of(&[("a.rs", &text)])).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["a.rs:77: `long` has 71 lines, at most 70: divide it"]);
    }

    #[test]
    fn a_heavy_repository_is_found() {
        let mut tree = Tree::of(&[("a.gz", ""), ("b.gz", "")]);
        tree.files[1].bytes = MAX_TREE_BYTES;
        assert_eq!(repository(&tree), []);
        tree.files[0].bytes = 1;
        assert_eq!(repository(&tree)[0].path, "b.gz");
    }
}
