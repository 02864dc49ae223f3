//! The world outside: where the repository is, which programs there are, and how they are run.

use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository and the search path that child programs get.
pub(crate) struct Shell {
    /// The repository's top folder.
    pub(crate) root: PathBuf,
}

impl Shell {
    /// Finds the repository this program was built from.
    pub(crate) fn open() -> Result<Shell> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest.parent().context("the folder of xtask has no parent")?.to_path_buf();
        Ok(Shell { root })
    }

    /// Where this project keeps the tools that it installs.
    pub(crate) fn tools_dir(&self) -> PathBuf {
        self.target_dir().join("tools")
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target_dir(&self) -> PathBuf {
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }

    /// A program to be run in the repository.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).stdin(Stdio::null());
        // Left by `cargo run`; they would confuse a nested cargo.
        for key in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_MANIFEST_PATH", "RUSTFLAGS_XTASK"] {
            command.env_remove(key);
        }
        command
    }

    /// `cargo`, as it was called for this program.
    pub(crate) fn cargo(&self) -> Command {
        self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }
}

/// Shows the command, runs it with its output passed on, and fails when it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("  $ {}", shown(command));
    let status = command.status().with_context(|| format!("could not start `{}`", program(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a command and gives its standard output; its messages are passed on.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("could not start `{}`", program(command)))?;
    if !output.status.success() {
        bail!("`{}` ended with {}", shown(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` wrote no UTF-8", shown(command)))
}

/// What a program says about itself (standard output, trimmed); `None` where it cannot be run or fails.
pub(crate) fn ask(program: &Path, words: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(words).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The first program called `name` on the search path.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_program(file))
}

/// The search path with `folders` in front.
pub(crate) fn path_with(folders: &[PathBuf]) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let all = folders.iter().cloned().chain(env::split_paths(&path));
    env::join_paths(all).context("a folder of the tools holds a character that PATH cannot hold")
}

/// Whether this user may install system packages: root on a machine with apt.
pub(crate) fn can_apt() -> bool {
    which("apt-get").is_some() && ask(Path::new("id"), &["-u"]).as_deref() == Some("0")
}

/// Installs Debian packages.
pub(crate) fn apt_install(shell: &Shell, packages: &[&str]) -> Result<()> {
    run(shell.command("apt-get").args(["update", "-qq"]))?;
    run(shell
        .command("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(packages))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_and_a_failing_one_are_named() {
        let missing = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(format!("{missing:#}").starts_with("could not start `no-such-program-here`"), "{missing:#}");
        let failing = run(Command::new("false").arg("x")).unwrap_err();
        assert!(failing.to_string().starts_with("`false x` ended with exit status: 1"), "{failing}");
    }

    #[test]
    fn asks_only_programs_that_succeed() {
        assert_eq!(ask(Path::new("echo"), &["hello"]).as_deref(), Some("hello"));
        assert_eq!(ask(Path::new("false"), &[]), None);
        assert_eq!(ask(Path::new("no-such-program-here"), &[]), None);
    }

    #[test]
    fn folders_come_before_the_search_path() {
        let path = path_with(&[PathBuf::from("first/bin")]).unwrap();
        assert!(path.to_string_lossy().starts_with("first/bin:"));
        assert!(path_with(&[PathBuf::from("a:b")]).is_err());
    }
}
