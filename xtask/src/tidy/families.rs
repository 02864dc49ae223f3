//! Families: one folder, one small trait, one file a member, one registry that lists them.

use super::tree::{Finding, TrackedFile, Tree};

/// A family that this check knows.
struct Family {
    folder: &'static str,
    /// The trait of its members, without generics.
    member_of: &'static str,
}

const FAMILIES: &[Family] = &[Family { folder: "core/src/import/", member_of: "Importer" }];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    FAMILIES.iter().flat_map(|family| check_family(tree, family)).collect()
}

fn check_family(tree: &Tree, family: &Family) -> Vec<Finding> {
    let registry_path = format!("{}mod.rs", family.folder);
    let Some(registry) = tree.get(&registry_path) else { return Vec::new() };
    let mut findings = Vec::new();
    for file in tree.rust_under(family.folder).filter(|file| file.path != registry_path) {
        let members = members(file, family.member_of);
        if members.len() > 1 {
            let what =
                format!("{} members of `{}` in one file: one file each", members.len(), family.member_of);
            findings.push(file.finding(Some(members[1]), what));
        }
        let module = module_name(&file.path, family.folder);
        let listed = registry.code_lines().any(|(_, line)| names(line, module));
        if !members.is_empty() && !listed {
            let what = format!("a `{}` that the registry in {registry_path} does not list", family.member_of);
            findings.push(file.finding(Some(members[0]), what));
        }
    }
    for line in members(registry, family.member_of) {
        findings
            .push(registry.finding(Some(line), "a member beside the registry: give it a file of its own"));
    }
    findings
}

/// Lines that implement the trait.
fn members(file: &TrackedFile, name: &str) -> Vec<usize> {
    let pattern = format!("{name} for ");
    let is_member = |line: &str| line.starts_with("impl") && line.contains(&pattern);
    file.code_lines().filter(|(_, line)| is_member(line)).map(|(number, _)| number).collect()
}

/// The first part of a path below the family's folder.
fn module_name<'a>(path: &'a str, folder: &str) -> &'a str {
    let inner = path.strip_prefix(folder).unwrap_or(path);
    inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs")
}

/// Whether the line uses something of the module, apart from declaring it.
fn names(line: &str, module: &str) -> bool {
    let path = format!("{module}::");
    line.match_indices(&path)
        .any(|(at, _)| !line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unlisted_and_crowded_files_are_found() {
        let tree = Tree::of(&[
            (
                "core/src/import/mod.rs",
                "mod good;\nmod lost;\nconst ALL: &[&dyn Importer] = &[&good::Good, &two::A];\n",
            ),
            ("core/src/import/good.rs", "impl Importer for Good {}\n"),
            ("core/src/import/lost.rs", "\nimpl Importer for Lost {}\n"),
            ("core/src/import/two.rs", "impl Importer for A {}\nimpl Importer for B {}\n"),
            ("core/src/import/helper.rs", "fn f() {}\n"),
        ]);
        let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "core/src/import/lost.rs:2: a `Importer` that the registry in core/src/import/mod.rs does not list",
                "core/src/import/two.rs:2: 2 members of `Importer` in one file: one file each",
            ]
        );
    }

    #[test]
    fn a_member_inside_the_registry_is_found() {
        let tree = Tree::of(&[("core/src/import/mod.rs", "impl Importer for Inline {}\n")]);
        assert_eq!(check(&tree).len(), 1);
    }
}
