//! What each command needs beyond its own arguments.

use crate::args::Cli;
use crate::gpu::device::About;
use crate::gpu::libraries::Looked;
use clap::CommandFactory;
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
pub(super) fn of_commands(gpus: Result<&[About], &str>, libraries: &[Looked]) -> Vec<Ready> {
    let one = |name: &str| {
        let needs = NEEDS.iter().find(|(known, _)| *known == name).map_or("nothing else", |(_, needs)| needs);
        let missing = if name == "probe" { missing(gpus, libraries) } else { Vec::new() };
        let needs = if name == "probe" { "an NVIDIA GPU, its driver and the libraries above" } else { needs };
        Ready { name: name.to_owned(), needs, missing }
    };
    Cli::command().get_subcommands().map(|command| one(command.get_name())).collect()
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
    gpu.into_iter().chain(absent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_those_of_commands_that_exist() {
        let commands = of_commands(Ok(&[]), &[]);
        for (name, _) in NEEDS {
            assert!(commands.iter().any(|command| command.name == *name), "{name}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let looked =
            |name, found| Looked { name, purpose: "", found, path: None, tried: Vec::new(), from: "" };
        let libraries = [looked("liba", true), looked("libb", false)];
        assert_eq!(missing(Ok(&[]), &libraries), ["an NVIDIA GPU", "libb"]);
        assert_eq!(missing(Err("code 803"), &[]), ["a driver that answers (code 803)"]);
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
