//! The libraries of CUDA: which of them the system's loader finds, and where.
#![allow(unsafe_code, reason = "loading a library runs its initialisers")]

use cudarc::{cublaslt, driver, nvrtc};
use serde::{Serialize, Serializer};
use std::fs;

/// A library that is loaded at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    /// The driver's own.
    Driver,
    /// The compiler of kernels.
    Nvrtc,
    /// Matrix products.
    CublasLt,
}

/// Whether a library is there.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Looked {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is needed for.
    pub(crate) purpose: &'static str,
    /// Whether the loader found it.
    pub(crate) found: bool,
    /// The CUDA that it is of, where it is found; the newest that it serves if it is the driver.
    #[serde(rename = "cuda", serialize_with = "dotted")]
    pub(crate) release: Option<(i32, i32)>,
    /// Its file, where that can be told.
    pub(crate) path: Option<String>,
    /// The names that the loader is asked for, one after the other.
    pub(crate) tried: Vec<String>,
    /// What brings it.
    pub(crate) from: &'static str,
}

impl Library {
    /// All, in the order in which they are needed.
    pub(crate) const ALL: [Library; 3] = [Library::Driver, Library::Nvrtc, Library::CublasLt];

    /// Name, purpose and what brings it.
    fn about(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Library::Driver => {
                ("libcuda", "the driver: memory, launches, events", "the driver of an NVIDIA GPU")
            }
            Library::Nvrtc => {
                ("libnvrtc", "compiling kernels for the GPU", "CUDA 12 or 13, or PyPI's nvidia-cuda-nvrtc")
            }
            Library::CublasLt => ("libcublasLt", "matrix products", "CUDA 12 or 13, or PyPI's nvidia-cublas"),
        }
    }

    /// Name without the system's ending.
    pub(crate) fn name(self) -> &'static str {
        self.about().0
    }

    /// Whether the loader finds it.
    pub(crate) fn is_there(self) -> bool {
        // SAFETY: these are NVIDIA's own libraries, whose initialisers may run at any time.
        unsafe {
            match self {
                Library::Driver => driver::sys::is_culib_present(),
                Library::Nvrtc => nvrtc::sys::is_culib_present(),
                Library::CublasLt => cublaslt::sys::is_culib_present(),
            }
        }
    }

    /// The CUDA that it is of. It is there.
    fn release(self) -> Option<(i32, i32)> {
        let (mut major, mut minor) = (0, 0);
        // SAFETY: each writes or returns numbers, and none needs anything to have been started.
        unsafe {
            match self {
                Library::Driver => {
                    driver::sys::cuDriverGetVersion(&raw mut major).result().ok()?;
                    Some(driver_release(major))
                }
                Library::Nvrtc => {
                    nvrtc::sys::nvrtcVersion(&raw mut major, &raw mut minor).result().ok()?;
                    Some((major, minor))
                }
                Library::CublasLt => {
                    let version = i32::try_from(cublaslt::sys::cublasLtGetVersion()).ok()?;
                    Some((version / 10_000, version % 10_000 / 100))
                }
            }
        }
    }

    /// Looks for it; keeps it loaded where it is there, so that its file can be told.
    pub(crate) fn look(self) -> Looked {
        let (name, purpose, from) = self.about();
        let found = self.is_there();
        if found {
            // SAFETY: as above; it was found a moment ago.
            let _loaded = unsafe {
                match self {
                    Library::Driver => driver::sys::culib(),
                    Library::Nvrtc => nvrtc::sys::culib(),
                    Library::CublasLt => cublaslt::sys::culib(),
                }
            };
        }
        let stem = name.trim_start_matches("lib");
        let release = found.then(|| self.release()).flatten().filter(|release| release.0 > 0);
        // The names that have a version of CUDA in them are those of Windows and of releases that are too old.
        let tried = cudarc::get_lib_name_candidates(stem).into_iter();
        let tried = tried.filter(|file| !file.contains("64")).collect();
        Looked { name, purpose, found, release, path: found.then(|| loaded(name)).flatten(), tried, from }
    }
}

/// The driver's number of a CUDA: 13,000 for 13.0.
pub(super) fn driver_release(version: i32) -> (i32, i32) {
    (version / 1_000, version % 1_000 / 10)
}

fn dotted<S: Serializer>(release: &Option<(i32, i32)>, to: S) -> Result<S::Ok, S::Error> {
    release.map(|(major, minor)| format!("{major}.{minor}")).serialize(to)
}

/// The file of a loaded library, as Linux lists it.
fn loaded(name: &str) -> Option<String> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let start = format!("/{name}.so");
    let line = maps.lines().find(|line| line.contains(&start))?;
    line.find('/').map(|at| line[at..].to_owned())
}
