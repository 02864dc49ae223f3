//! The files of the repository as the checks see them: a path, a size, and the text where it is text.

use crate::shell::read;
use anyhow::{Context, Result};
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

/// One tracked file.
pub(super) struct TrackedFile {
    /// Relative to the repository, with `/`.
    pub(super) path: String,
    pub(super) bytes: u64,
    /// `None` where it is not UTF-8.
    pub(super) text: Option<String>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) files: Vec<TrackedFile>,
}

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) path: String,
    /// From 1; `None` where the whole file is meant.
    pub(super) line: Option<usize>,
    pub(super) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "{}:{line}: {}", self.path, self.what),
            None => write!(out, "{}: {}", self.path, self.what),
        }
    }
}

impl TrackedFile {
    /// Its numbered lines; none where it is not text.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let text = self.text.as_deref().unwrap_or_default();
        text.lines().enumerate().map(|(at, line)| (at + 1, line))
    }

    /// Its numbered lines up to the unit tests, without comments.
    pub(super) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let body = self.lines().take_while(|(_, line)| line.trim_end() != "#[cfg(test)]");
        body.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    pub(super) fn finding(&self, line: Option<usize>, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

impl Tree {
    /// What git tracks, and what it would track if it were added.
    pub(super) fn of_repository(root: &Path) -> Result<Tree> {
        let mut git = Command::new("git");
        git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = read(&mut git).context("tidy needs git to know which files are tracked")?;
        let mut files = Vec::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            let full = root.join(path);
            if !full.is_file() {
                continue; // deleted but not yet committed, or a link to a folder
            }
            let bytes = fs::read(&full).with_context(|| format!("could not read `{path}`"))?;
            let size = bytes.len() as u64;
            files.push(TrackedFile {
                path: path.to_owned(),
                bytes: size,
                text: String::from_utf8(bytes).ok(),
            });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Tree { files })
    }

    pub(super) fn rust_under<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a TrackedFile> {
        self.files.iter().filter(move |file| file.is_rust() && file.path.starts_with(folder))
    }

    pub(super) fn get(&self, path: &str) -> Option<&TrackedFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// A tree of samples, for tests.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| TrackedFile {
            path: (*path).to_owned(),
            bytes: text.len() as u64,
            text: Some((*text).to_owned()),
        };
        Tree { files: files.iter().map(file).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_ends_where_tests_begin_and_has_no_comments() {
        let tree = Tree::of(&[("a.rs", "//! doc\nfn a() {}\n    // note\n#[cfg(test)]\nmod tests {}\n")]);
        let lines: Vec<_> = tree.files[0].code_lines().collect();
        assert_eq!(lines, [(2, "fn a() {}")]);
    }

    #[test]
    fn findings_read_like_compiler_messages() {
        let tree = Tree::of(&[("a.rs", "")]);
        assert_eq!(tree.files[0].finding(Some(3), "is bad").to_string(), "a.rs:3: is bad");
        assert_eq!(tree.files[0].finding(None, "is bad").to_string(), "a.rs: is bad");
    }
}
