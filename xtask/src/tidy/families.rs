//! Families: one folder, one small trait, one file a member, one registry that lists them.

use super::tree::{Finding, TrackedFile, Tree};

/// A family that this check knows.
struct Family {
    folder: &'static str,
    /// The trait of its members, without generics.
    member_of: &'static str,
    /// Whether a `use` in `mod.rs` is the registry, because members are used by type and not by name.
    by_use: bool,
}

const FAMILIES: &[Family] = &[
    Family { folder: "core/src/import/", member_of: "Importer", by_use: false },
    Family { folder: "core/src/export/", member_of: "Exporter", by_use: false },
    Family { folder: "core/src/context/", member_of: "ContextStrategy", by_use: false },
    Family { folder: "core/src/predict/", member_of: "Predictor", by_use: false },
    Family { folder: "core/src/serve/route/", member_of: "Router", by_use: false },
    Family { folder: "core/src/serve/schedule/", member_of: "Queue", by_use: false },
    Family { folder: "core/src/serve/cache/", member_of: "KvCache", by_use: false },
    Family { folder: "core/src/serve/evict/", member_of: "Eviction", by_use: false },
    Family { folder: "core/src/figure/", member_of: "Figure", by_use: true },
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    FAMILIES.iter().flat_map(|family| check_family(tree, family)).collect()
}

fn check_family(tree: &Tree, family: &Family) -> Vec<Finding> {
    let registry_path = format!("{}mod.rs", family.folder);
    let Some(registry) = tree.get(&registry_path) else { return Vec::new() };
    let mut findings = Vec::new();
    for file in tree.rust_under(family.folder).filter(|file| file.path != registry_path) {
        let members = members(file, family.member_of);
        if let Some((line, _)) = members.get(1) {
            let what =
                format!("{} members of `{}` in one file: one file each", members.len(), family.member_of);
            findings.push(file.finding(Some(*line), what));
        }
        for (line, name) in members {
            if !lists(registry, name, family.by_use) {
                let what = format!("the registry in {registry_path} does not list `{name}`");
                findings.push(file.finding(Some(line), what));
            }
        }
    }
    for (line, name) in members(registry, family.member_of) {
        findings.push(
            registry.finding(Some(line), format!("`{name}` stands in the registry's file: give it its own")),
        );
    }
    findings
}

/// Lines that implement the trait, with the type that they name.
fn members<'a>(file: &'a TrackedFile, member_of: &str) -> Vec<(usize, &'a str)> {
    let pattern = format!("{member_of} for ");
    let implementing = file.code_lines().filter(|(_, line)| line.starts_with("impl"));
    let named = implementing.filter_map(|(number, line)| Some((number, word(line.split_once(&pattern)?.1))));
    named.collect()
}

/// Whether `mod.rs` names the type where it lists members.
fn lists(registry: &TrackedFile, name: &str, by_use: bool) -> bool {
    let lines = registry.code_lines().filter(|(_, line)| line.contains("use ") == by_use);
    lines.into_iter().any(|(_, line)| line.split(|c| !is_name(c)).any(|part| part == name))
}

fn word(text: &str) -> &str {
    &text[..text.find(|c| !is_name(c)).unwrap_or(text.len())]
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unlisted_and_crowded_files_are_found() {
        let registry = "mod good;\nuse lost::Lost;\nconst ALL: &[&dyn Importer] = &[&good::Good, &A, &B];\n";
        assert_eq!(
            found(&[
                ("core/src/import/mod.rs", registry),
                ("core/src/import/good.rs", "impl Importer for Good {}\n"),
                ("core/src/import/lost.rs", "\nimpl Importer for Lost {}\n"),
                ("core/src/import/two.rs", "impl Importer for A {}\nimpl<'a> Importer for B<'a> {}\n"),
                ("core/src/import/helper.rs", "fn f() {}\n"),
            ]),
            [
                "core/src/import/lost.rs:2: the registry in core/src/import/mod.rs does not list `Lost`",
                "core/src/import/two.rs:2: 2 members of `Importer` in one file: one file each",
            ]
        );
    }

    #[test]
    fn families_used_by_type_are_listed_by_their_use() {
        let race = ("core/src/figure/race.rs", "impl Figure for RaceFigure {}\n");
        assert_eq!(
            found(&[("core/src/figure/mod.rs", "mod race;\npub use race::RaceFigure;\n"), race]).len(),
            0
        );
        assert_eq!(found(&[("core/src/figure/mod.rs", "mod race;\npub use race::Race;\n"), race]).len(), 1);
    }

    #[test]
    fn a_member_inside_the_registry_is_found() {
        assert_eq!(
            found(&[("core/src/import/mod.rs", "impl Importer for Inline {}\n")]),
            ["core/src/import/mod.rs:1: `Inline` stands in the registry's file: give it its own"]
        );
    }
}
