//! What each command needs beyond its own arguments.

use super::room::Weighed;
use crate::gpu::device::{self, About};
use crate::gpu::libraries::{Library, Looked};
use serde::Serialize;
use std::path::Path;

/// Whether a command could do its work here.
#[derive(Serialize)]
pub(super) struct Ready {
    /// Its name.
    pub(super) name: String,
    /// What it needs, in words.
    pub(super) needs: String,
    /// Whether that is files which its arguments name, so that nobody can say beforehand whether they are here.
    pub(super) named: bool,
    /// What of that is not here.
    pub(super) missing: Vec<String>,
}

impl Ready {
    pub(super) fn readable(&self) -> String {
        let Ready { name, needs, named, missing } = self;
        match missing.as_slice() {
            [] if *named => format!("{name}: needs {needs}"),
            [] => format!("{name}: ready; needs {needs}"),
            missing => format!("{name}: not here: missing {}; needs {needs}", missing.join(", ")),
        }
    }
}

/// What the commands need whose arguments name files.
const NAMED: &[(&str, &str)] = &[
    ("import", "trace files"),
    ("inspect", "trace files"),
    ("simulate", "trace files"),
    ("advise", "trace files"),
    ("sweep", "trace files and a grid"),
    ("calibrate", "trace files and what happened to their calls"),
    ("data", "the folder with the public sources"),
];

/// The bundled sets that reports are made of, from where the command is called.
const BUNDLED: &str = "data/index.json";

/// All commands, in the order of the help text.
pub(super) fn of_commands(
    all: &clap::Command,
    gpus: Result<&[About], &str>,
    libraries: &[Looked],
    models: &[Weighed],
) -> Vec<Ready> {
    let one = |name: &str| {
        let ready = |needs: String, missing| Ready { name: name.to_owned(), needs, named: false, missing };
        if let Some((_, needs)) = NAMED.iter().find(|(known, _)| *known == name) {
            return Ready { named: true, ..ready((*needs).to_owned(), Vec::new()) };
        }
        match name {
            "probe" => ready(of_probe(models), missing(gpus, libraries)),
            "report" => ready(
                "the repository's `data` folder, here or by `--data`".to_owned(),
                no_sets(Path::new(BUNDLED)),
            ),
            "synth" => ready("nothing else; with `--fit` or `--against` trace files".to_owned(), Vec::new()),
            _ => ready("nothing else".to_owned(), Vec::new()),
        }
    };
    all.get_subcommands().map(|command| one(command.get_name())).collect()
}

/// What a probe needs, in words.
fn of_probe(models: &[Weighed]) -> String {
    let weights: Vec<String> = models.iter().map(Weighed::readable).collect();
    format!(
        "{}, the libraries above, and memory for weights ({}), for what a step computes and for pages of KV",
        device::least(),
        weights.join(", ")
    )
}

/// What of the bundled sets is not here.
fn no_sets(index: &Path) -> Vec<String> {
    if index.is_file() { Vec::new() } else { vec![format!("`{}`", index.display())] }
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
        let commands = of_commands(&Cli::command(), Ok(&[]), &[], &super::super::room::weights());
        for name in NAMED.iter().map(|(name, _)| *name).chain(["probe", "report", "synth", "doctor"]) {
            assert!(commands.iter().any(|command| command.name == name), "{name}");
        }
        let said = |name: &str| commands.iter().find(|command| command.name == name).unwrap().readable();
        assert_eq!(said("doctor"), "doctor: ready; needs nothing else");
        assert_eq!(said("inspect"), "inspect: needs trace files");
        let needs = "an NVIDIA GPU of compute capability 8.0 or newer, its driver for CUDA 12.8 or newer, the libraries above, \
                     and memory for weights (qwen3-4b 8.0 GB in bf16, 2.7 GB in w4, ";
        assert!(
            said("probe").starts_with(&format!("probe: not here: missing an NVIDIA GPU; needs {needs}")),
            "{}",
            said("probe")
        );
    }

    #[test]
    fn reports_need_the_bundled_sets() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(no_sets(&here.join("..").join(BUNDLED)), Vec::<String>::new());
        assert_eq!(no_sets(Path::new("nowhere/index.json")), ["`nowhere/index.json`"]);
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
