//! What each command needs beyond its own arguments.

use crate::gpu::device::About;
use crate::gpu::libraries::{Library, Looked};
use serde::Serialize;

/// Whether a command could do its work here.
#[derive(Serialize)]
pub(super) struct Ready {
    /// Its name.
    pub(super) name: String,
    /// What it needs, in words.
    pub(super) needs: &'static str,
    /// What of that is not here.
    pub(super) missing: Vec<String>,
}

/// What the commands need that need more than nothing.
const NEEDS: &[(&str, &str)] = &[
    ("import", "trace files"),
    ("inspect", "trace files"),
    ("simulate", "trace files"),
    ("advise", "trace files"),
    ("sweep", "trace files and a grid"),
    ("calibrate", "trace files and what happened to their calls"),
    ("data", "the folder with the public sources"),
    ("report", "the repository's data folder"),
];

/// All commands, in the order of the help text.
pub(super) fn of_commands(
    all: &clap::Command,
    gpus: Result<&[About], &str>,
    libraries: &[Looked],
) -> Vec<Ready> {
    let one = |name: &str| {
        let needs = NEEDS.iter().find(|(known, _)| *known == name).map_or("nothing else", |(_, needs)| needs);
        let missing = if name == "probe" { missing(gpus, libraries) } else { Vec::new() };
        let needs = if name == "probe" { "an NVIDIA GPU, its driver and the libraries above" } else { needs };
        Ready { name: name.to_owned(), needs, missing }
    };
    all.get_subcommands().map(|command| one(command.get_name())).collect()
}

/// What of CUDA is not here; GPUs as the driver lists them, or why it does not. One that a probe can run on is enough.
pub(crate) fn missing(gpus: Result<&[About], &str>, libraries: &[Looked]) -> Vec<String> {
    let gpu = match gpus {
        Err(error) => Some(format!("a driver that answers ({error})")),
        Ok([]) => Some("an NVIDIA GPU".to_owned()),
        Ok(gpus) => {
            let refused: Result<Vec<String>, ()> =
                gpus.iter().map(|gpu| gpu.check().err().map(|error| error.to_string()).ok_or(())).collect();
            refused.ok().and_then(|reasons| reasons.into_iter().next())
        }
    };
    let absent = libraries.iter().filter(|library| !library.found).map(|library| library.name.to_owned());
    gpu.into_iter().chain(absent).chain(too_new(libraries)).collect()
}

/// Libraries of a newer major version of CUDA than the driver's, which neither loads what they compile nor starts them.
fn too_new(libraries: &[Looked]) -> impl Iterator<Item = String> {
    let driver = libraries.iter().find(|library| library.name == Library::Driver.name());
    let driver = driver.and_then(|library| library.release);
    libraries.iter().filter_map(move |library| {
        let (driver, (major, minor)) = (driver?, library.release?);
        let what = |most| format!("a {} of CUDA {most} at most (it is of {major}.{minor})", library.name);
        (major > driver.0).then(|| what(driver.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    #[test]
    fn needs_are_those_of_commands_that_exist() {
        let commands = of_commands(&Cli::command(), Ok(&[]), &[]);
        for (name, _) in NEEDS {
            assert!(commands.iter().any(|command| command.name == *name), "{name}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let looked = |name, found| Looked {
            name,
            purpose: "",
            found,
            release: None,
            path: None,
            tried: Vec::new(),
            from: "",
        };
        let libraries = [looked("liba", true), looked("libb", false)];
        assert_eq!(missing(Ok(&[]), &libraries), ["an NVIDIA GPU", "libb"]);
        assert_eq!(missing(Err("code 803"), &[]), ["a driver that answers (code 803)"]);
        let of_cuda = |name, release| Looked { release: Some(release), ..looked(name, true) };
        let with = |nvrtc| [of_cuda("libcuda", (12, 8)), of_cuda("libnvrtc", nvrtc)];
        let card = About { driver: (12, 8), capability: (9, 0), ..About::default() };
        let missing_with = |nvrtc| missing(Ok(std::slice::from_ref(&card)), &with(nvrtc));
        assert_eq!(missing_with((13, 0)), ["a libnvrtc of CUDA 12 at most (it is of 13.0)"]);
        // Within a major version NVIDIA has what is compiled for the very GPU load.
        assert_eq!(missing_with((12, 9)), Vec::<String>::new());
        let of = |driver, capability| About { driver, capability, ..About::default() };
        let (old, new) = (of((13, 0), (7, 0)), of((13, 0), (9, 0)));
        assert!(
            missing(Ok(std::slice::from_ref(&old)), &[])[0]
                .starts_with("a GPU of compute capability 8.0 or newer")
        );
        assert!(missing(Ok(&[of((12, 2), (9, 0))]), &[])[0].starts_with("a driver for CUDA 12.8 or newer"));
        assert_eq!(missing(Ok(&[old, new]), &[]), Vec::<String>::new());
    }
}
