//! `doctor`: what is on this machine, and what each command would need. Starts no work: files are looked for, libraries are
//! loaded, the driver is asked which GPUs it knows, and `nvidia-smi` how much of their memory is free.

mod needs;
mod room;
mod servers;

use crate::gpu::device::About;
use crate::gpu::{self, libraries};
use crate::output;
use crate::probe::clocks;
use atr_core::figure::units;
use needs::Ready;
use room::Weighed;
use serde::Serialize;
use servers::Server;
use std::fs;
use std::process::ExitCode;

/// Arguments of `doctor`.
#[derive(clap::Args, Debug)]
pub(crate) struct DoctorArgs {}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer {
    machine: Machine,
    gpus: Vec<Card>,
    /// Why the driver did not list GPUs, where it is there and did not.
    driver_error: Option<String>,
    libraries: Vec<libraries::Looked>,
    /// Folders that the loader is told to look into before its own.
    library_path: Option<String>,
    /// The file of `nvidia-smi`, without which a probe knows neither the driver's version nor clocks.
    nvidia_smi: Option<String>,
    /// Memory that the weights of the models take that come along.
    models: Vec<Weighed>,
    servers: Vec<Server>,
    commands: Vec<Ready>,
}

/// A GPU, and how much of its memory is free; unknown without `nvidia-smi`.
#[derive(Serialize)]
struct Card {
    #[serde(flatten)]
    about: About,
    free_bytes: Option<u64>,
}

/// The computer around the GPU.
#[derive(Serialize)]
struct Machine {
    os: &'static str,
    arch: &'static str,
    /// Threads that run at once.
    cores: Option<usize>,
    memory_bytes: Option<u64>,
    available_bytes: Option<u64>,
}

/// Looks and says what is there, and what of `all` commands could work here.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn run(_: &DoctorArgs, all: &clap::Command, json: bool) -> anyhow::Result<ExitCode> {
    let libraries: Vec<_> = libraries::Library::ALL.into_iter().map(libraries::Library::look).collect();
    let (gpus, driver_error) = match gpu::list() {
        Ok(gpus) => (gpus, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let servers = servers::look();
    let listed = driver_error.as_deref().map_or(Ok(gpus.as_slice()), Err);
    let models = room::weights();
    let commands = needs::of_commands(all, listed, &libraries, &models);
    let nvidia_smi = servers::program("nvidia-smi").map(|path| path.display().to_string());
    let free = |about: &About| {
        nvidia_smi.as_ref().and_then(|_| room::free_bytes(&clocks::ask(&about.bus_id, "memory.free")?))
    };
    let gpus = gpus.into_iter().map(|about| Card { free_bytes: free(&about), about }).collect();
    let library_path = std::env::var("LD_LIBRARY_PATH").ok().filter(|path| !path.is_empty());
    let answer = Answer {
        machine: machine(),
        gpus,
        driver_error,
        libraries,
        library_path,
        nvidia_smi,
        models,
        servers,
        commands,
    };
    if json {
        output::emit_json(&answer)?;
    } else {
        output::emit(&readable(&answer))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What of CUDA is not here.
pub(crate) fn missing() -> Vec<String> {
    let libraries: Vec<_> = libraries::Library::ALL.into_iter().map(libraries::Library::look).collect();
    let listed = gpu::list().map_err(|error| error.to_string());
    needs::missing(listed.as_deref().map_err(String::as_str), &libraries)
}

fn machine() -> Machine {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let bytes = |key: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(key))?;
        let kib: u64 = line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse().ok()?;
        Some(kib * 1_024)
    };
    Machine {
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
        cores: std::thread::available_parallelism().ok().map(usize::from),
        memory_bytes: bytes("MemTotal"),
        available_bytes: bytes("MemAvailable"),
    }
}

fn gb(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

fn readable(answer: &Answer) -> String {
    let Machine { os, arch, cores, memory_bytes, available_bytes } = &answer.machine;
    let cores = cores.map_or("unknown".to_owned(), |cores| units::grouped(cores as u64));
    let known = |bytes: &Option<u64>| bytes.map_or("unknown".to_owned(), gb);
    let mut text = format!(
        "machine: {os} on {arch}, threads {cores}, memory {}, of it available {}\n",
        known(memory_bytes),
        known(available_bytes)
    );
    for Card { about: gpu, free_bytes } in &answer.gpus {
        let compute_capability = gpu.compute_capability();
        let About { name, memory_bytes, multiprocessors, .. } = gpu;
        let driver_cuda = gpu.driver_cuda();
        text.push_str(&format!(
            "GPU: {name}, {}, compute capability {compute_capability}, {multiprocessors} multiprocessors, driver for \
             CUDA {driver_cuda}\n  {}\n",
            gb(*memory_bytes),
            room::readable(&answer.models, *memory_bytes, *free_bytes)
        ));
    }
    match &answer.driver_error {
        Some(error) => text.push_str(&format!("GPU: the driver does not answer: {error}\n")),
        None if answer.gpus.is_empty() => text.push_str("GPU: none found\n"),
        None => {}
    }
    text.push_str("\nlibraries\n");
    for library in &answer.libraries {
        let (name, purpose) = (library.name, library.purpose);
        let release =
            library.release.map(|(major, minor)| format!(", CUDA {major}.{minor}")).unwrap_or_default();
        match (&library.path, library.found) {
            (Some(path), _) => text.push_str(&format!("  {name}: {path}{release} ({purpose})\n")),
            (None, true) => text.push_str(&format!("  {name}: found{release} ({purpose})\n")),
            (None, false) => text.push_str(&format!(
                "  {name}: not found ({purpose}); comes with {}; looked for {}\n",
                library.from,
                library.tried.join(", ")
            )),
        }
    }
    let path = answer.library_path.as_deref().unwrap_or("not set");
    text.push_str(&format!("  looked where the system's loader looks; LD_LIBRARY_PATH: {path}\n"));
    match &answer.nvidia_smi {
        Some(path) => text.push_str(&format!("  nvidia-smi: {path} (the driver's version and clocks)\n")),
        None => text.push_str(
            "  nvidia-smi: not found; a probe runs, and says neither the driver's version nor clocks; comes with the driver; \
             looked for on PATH\n",
        ),
    }
    text.push_str("\nservers, looked for and not started\n");
    for server in &answer.servers {
        let Server { name, path, looked } = server;
        match path {
            Some(path) => text.push_str(&format!("  {name}: {path}\n")),
            None => text.push_str(&format!("  {name}: not found; looked for {looked}\n")),
        }
    }
    text.push_str("\ncommands\n");
    for command in &answer.commands {
        text.push_str(&format!("  {}\n", command.readable()));
    }
    text
}
