//! Sizes that must stay small: a Rust file, one committed file, the repository.

use super::tree::{Finding, Tree};

const MAX_LINES: usize = 400;
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
    fn a_heavy_repository_is_found() {
        let mut tree = Tree::of(&[("a.gz", ""), ("b.gz", "")]);
        tree.files[1].bytes = MAX_TREE_BYTES;
        assert_eq!(repository(&tree), []);
        tree.files[0].bytes = 1;
        assert_eq!(repository(&tree)[0].path, "b.gz");
    }
}
