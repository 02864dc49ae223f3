//! Servers that may lie on this machine: programs on the search path, and packages of the Pythons found there. Neither is
//! started, so a package that is found may still not run.

use serde::Serialize;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// A server, found or not.
#[derive(Serialize)]
pub(super) struct Server {
    /// Its name.
    pub(super) name: &'static str,
    /// The program or the package.
    pub(super) path: Option<String>,
    /// What was looked for.
    pub(super) looked: &'static str,
}

/// A server's name, its program, the Python package that holds it, and both in words.
const SERVERS: &[(&str, &str, Option<&str>, &str)] = &[
    ("vLLM", "vllm", Some("vllm"), "the program `vllm`, and the package `vllm` of every Python on PATH"),
    (
        "SGLang",
        "sglang",
        Some("sglang"),
        "the program `sglang`, and the package `sglang` of every Python on PATH",
    ),
    ("llama.cpp", "llama-server", None, "the program `llama-server`"),
];

/// Folders that programs are looked for in.
fn on_path() -> Vec<PathBuf> {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect()
}

/// The file of a program on the search path.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    on_path().into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}

pub(super) fn look() -> Vec<Server> {
    let folders = on_path();
    let packages: Vec<PathBuf> = folders.iter().flat_map(|folder| site_packages(folder)).collect();
    SERVERS
        .iter()
        .map(|&(name, program, package, looked)| {
            let package = || {
                let package = package?;
                packages
                    .iter()
                    .map(|folder| folder.join(package))
                    .find(|folder| folder.join("__init__.py").is_file())
            };
            let path = self::program(program).or_else(package).map(|path| path.display().to_string());
            Server { name, path, looked }
        })
        .collect()
}

/// Where the Python of a folder of programs keeps its packages.
fn site_packages(programs: &Path) -> Vec<PathBuf> {
    let python = programs.join("python3");
    if !python.is_file() {
        return Vec::new();
    }
    // A virtual environment keeps packages beside its link, an installation beside what the link leads to.
    let own = programs.parent().map(Path::to_owned);
    let real = fs::canonicalize(&python).ok().and_then(|file| Some(file.parent()?.parent()?.to_owned()));
    let mut found = Vec::new();
    for root in [own, real].into_iter().flatten() {
        let libraries = fs::read_dir(root.join("lib")).into_iter().flatten().flatten();
        let pythons = libraries.filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"));
        for python in pythons {
            found.extend(["site-packages", "dist-packages"].map(|packages| python.path().join(packages)));
        }
    }
    found.retain(|folder| folder.is_dir());
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_lie_beside_the_python_of_a_folder() {
        let root = env::temp_dir().join(format!("atr-doctor-{}", std::process::id()));
        let packages = root.join("lib/python3.12/site-packages");
        fs::create_dir_all(packages.join("vllm")).unwrap();
        fs::create_dir_all(root.join("bin")).unwrap();
        assert_eq!(site_packages(&root.join("bin")), Vec::<PathBuf>::new(), "no Python, no packages");
        fs::write(root.join("bin/python3"), "").unwrap();
        let found = site_packages(&root.join("bin"));
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found.first(), Some(&packages));
    }
}
