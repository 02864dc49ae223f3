//! The purity of core: no input or output, no clock, no thread, no chance, and no floating-point function
//! whose last bit depends on the platform.

use super::tree::{Finding, Tree};

/// What must not stand in core's code, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("std::fs", "core reads no files; bytes are an input"),
    ("std::net", "core has no network"),
    ("std::time", "core reads no clock; time is an input"),
    ("std::thread", "core starts no thread"),
    ("std::process", "core starts no process"),
    ("std::env", "core reads no environment"),
    ("Instant::now", "core reads no clock; time is an input"),
    ("SystemTime", "core reads no clock; time is an input"),
    ("rand::", "core has no chance; a seed is an input"),
    ("thread_rng", "core has no chance; a seed is an input"),
    ("getrandom", "core has no chance; a seed is an input"),
    (".exp()", "use `libm::exp`: native and wasm must agree to the bit"),
    (".ln()", "use `libm::log`: native and wasm must agree to the bit"),
    (".ln_1p()", "use `libm::log1p`: native and wasm must agree to the bit"),
    (".log2()", "use `libm::log2`: native and wasm must agree to the bit"),
    (".log10()", "use `libm::log10`: native and wasm must agree to the bit"),
    (".powf(", "use `libm::pow`: native and wasm must agree to the bit"),
    (".powi(", "use `libm::pow`: native and wasm must agree to the bit"),
    (".tanh()", "use `libm::tanh`: native and wasm must agree to the bit"),
    (".sin()", "use `libm::sin`: native and wasm must agree to the bit"),
    (".cos()", "use `libm::cos`: native and wasm must agree to the bit"),
    (".mul_add(", "fused in hardware only: native and wasm must agree to the bit"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust_under("core/src/") {
        for (line, text) in file.code_lines() {
            for (pattern, why) in FORBIDDEN.iter().filter(|(pattern, _)| stands_in(text, pattern)) {
                findings.push(file.finding(Some(line), format!("`{pattern}`: {why}")));
            }
        }
    }
    findings
}

/// Whether `pattern` stands in the line and is not the end of a longer word (`operand::`).
fn stands_in(line: &str, pattern: &str) -> bool {
    line.match_indices(pattern).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        pattern.starts_with('.') || !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_forbidden_thing_is_found() {
        for (pattern, _) in FORBIDDEN {
            let text = format!("fn f() {{ x{pattern}; {pattern}; }}\n");
            let tree = Tree::of(&[("core/src/serve/mod.rs", &text)]);
            let found = check(&tree);
            assert!(
                found.iter().any(|f| f.line == Some(1) && f.what.starts_with(&format!("`{pattern}`"))),
                "{pattern}"
            );
        }
    }

    #[test]
    fn tests_comments_other_crates_and_longer_words_are_free() {
        let tree = Tree::of(&[
            (
                "core/src/a.rs",
                "// std::fs\nuse std::io::Read;\nlet x = operand::y;\n#[cfg(test)]\nuse std::fs;\n",
            ),
            ("native/src/a.rs", "use std::fs;\n"),
        ]);
        assert_eq!(check(&tree), []);
    }
}
