//! `cargo xtask kernels`: compiles every GPU kernel for every kind of GPU, with NVRTC from the wheel that NVIDIA publishes on
//! PyPI, and runs them in an interpreter. No GPU is needed.

use crate::shell::{Shell, run, which};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The wheel; 13.0 compiles for every architecture from Turing on.
const WHEEL: &str = "nvidia-cuda-nvrtc==13.0.*";
/// Its library, in the wheel's own folder.
const LIBRARY: &str = "libnvrtc.so.13";

/// Fetches the compiler where it is not there, and runs the tests that compile and run the kernels.
pub(crate) fn test(shell: &Shell) -> Result<()> {
    let folder = folder(shell);
    if !folder.join(LIBRARY).is_file() {
        fetch(shell, &folder)?;
    }
    let mut cargo = shell.cargo();
    cargo.args([
        "test",
        "-p",
        "atr-bench",
        "--bin",
        "atr-bench",
        "--",
        "gpu::",
        "probe::tests::kernels",
        "probe::tests::packed",
    ]);
    run(cargo.env("LD_LIBRARY_PATH", library_path(&folder)).env("ATR_KERNELS", "all"))
}

fn folder(shell: &Shell) -> PathBuf {
    shell.tools_dir().join("nvrtc")
}

/// What the loader is to be told so that tests find the compiler; none where it was not fetched.
pub(crate) fn loader_path(shell: &Shell) -> Option<OsString> {
    let folder = folder(shell);
    folder.join(LIBRARY).is_file().then(|| library_path(&folder))
}

/// The folder before those that the loader is told already.
fn library_path(folder: &Path) -> OsString {
    let mut path = folder.as_os_str().to_owned();
    if let Some(known) = std::env::var_os("LD_LIBRARY_PATH").filter(|known| !known.is_empty()) {
        path.push(":");
        path.push(known);
    }
    path
}

/// Fetches the compiler where that can be done. Only tests of kernels need it, which say so where it is not there.
pub(crate) fn fetch_if_possible(shell: &Shell) {
    let folder = folder(shell);
    if folder.join(LIBRARY).is_file() {
        println!("NVRTC: {}", folder.display());
        return;
    }
    match fetch(shell, &folder) {
        Ok(()) => println!("NVRTC: {}", folder.display()),
        Err(error) => {
            println!("NVRTC: not fetched, GPU kernels are neither compiled nor run in tests ({error:#})");
        }
    }
}

fn fetch(shell: &Shell, folder: &Path) -> Result<()> {
    which("python3").context("fetching NVRTC needs python3 with pip")?;
    let unpacked = folder.with_file_name("nvrtc-wheel");
    println!("fetching {WHEEL} from PyPI (90 MB)");
    let mut pip = shell.command("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--retries=1",
        "--timeout=15",
        "--only-binary=:all:",
        "--target",
    ])
    .arg(&unpacked);
    run(pip.arg(WHEEL))?;
    fs::create_dir_all(folder).with_context(|| format!("could not make `{}`", folder.display()))?;
    let from = unpacked.join("nvidia/cu13/lib");
    let files = fs::read_dir(&from).with_context(|| format!("the wheel holds no `{}`", from.display()))?;
    for file in files {
        let file = file?;
        fs::rename(file.path(), folder.join(file.file_name()))?;
    }
    fs::remove_dir_all(&unpacked).with_context(|| format!("could not remove `{}`", unpacked.display()))
}
