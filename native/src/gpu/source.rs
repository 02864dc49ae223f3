//! The kernels' sources, and how they are compiled: by NVRTC, for the very GPU, without any header.
#![allow(unsafe_code, reason = "NVRTC's interface is C")]

use super::libraries::Library;
use super::sizes::{self, Build};
use anyhow::{Context, bail};
use cudarc::nvrtc::{result, sys};
use std::ffi::{CStr, CString};

/// What every kernel begins with.
const NUMBER: &str = include_str!("kernels/number.cuh");

/// A file of kernels.
pub(crate) struct Source {
    /// Its name.
    pub(crate) file: &'static str,
    pub(super) text: &'static str,
    /// What it defines.
    pub(crate) kernels: &'static [&'static str],
}

/// The text of a file of attention kernels, with what they share before it.
macro_rules! attention {
    ($file:literal) => {
        concat!(
            "#line 1 \"attention.cuh\"\n",
            include_str!("kernels/attention.cuh"),
            "\n#line 1 \"",
            $file,
            "\"\n",
            include_str!(concat!("kernels/", $file))
        )
    };
}

/// All kernels.
pub(crate) const SOURCES: [Source; 4] = [
    Source {
        file: "layer.cu",
        text: include_str!("kernels/layer.cu"),
        kernels: &["nothing", "spin", "fill", "scatter", "copy", "add_norm", "rotary", "silu"],
    },
    Source {
        file: "packed.cu",
        text: include_str!("kernels/packed.cu"),
        kernels: &["unpack4", "product4_8", "product4_16", "product4_32"],
    },
    Source { file: "prefill.cu", text: attention!("prefill.cu"), kernels: &["prefill"] },
    Source { file: "decode.cu", text: attention!("decode.cu"), kernels: &["decode", "combine"] },
];

/// What a compilation came to.
pub(crate) struct Compiled {
    /// Machine code.
    pub(crate) image: Vec<u8>,
    /// What the compiler said; empty where it had nothing to complain about.
    pub(crate) log: String,
}

/// What the compiler is told, for GPUs of this kind.
fn options(build: &Build, arch: &str) -> Vec<String> {
    let macros = sizes::macros(build).into_iter().map(|(name, value)| format!("-D{name}={value}"));
    [format!("--gpu-architecture={arch}"), "--std=c++17".to_owned()].into_iter().chain(macros).collect()
}

/// The compiler's name of a GPU's kind, without the instructions that only this very kind has (`sm_90a`): no kernel uses one.
pub(crate) fn arch(major: i32, minor: i32) -> String {
    format!("sm_{major}{minor}")
}

impl Source {
    /// Compiles the file to machine code.
    ///
    /// # Errors
    /// When NVRTC is not there or refuses the source.
    pub(crate) fn compile(&self, build: &Build, arch: &str) -> anyhow::Result<Compiled> {
        self.compile_to(build, arch, &[], (sys::nvrtcGetCUBINSize, sys::nvrtcGetCUBIN))
    }

    /// Compiles the file to PTX, the assembly before machine code; `arch` is such as `compute_80`.
    ///
    /// # Errors
    /// As for [`Source::compile`].
    #[cfg(test)]
    pub(crate) fn assembly(&self, build: &Build, arch: &str) -> anyhow::Result<String> {
        let made = self.compile_to(build, arch, &[], (sys::nvrtcGetPTXSize, sys::nvrtcGetPTX))?;
        Ok(CString::from_vec_with_nul(made.image)?.into_string()?)
    }

    /// What the compiler says of registers and spills.
    ///
    /// # Errors
    /// As for [`Source::compile`].
    #[cfg(test)]
    fn usage(&self, build: &Build, arch: &str) -> anyhow::Result<String> {
        let verbose = ["--ptxas-options=-v"];
        Ok(self.compile_to(build, arch, &verbose, (sys::nvrtcGetCUBINSize, sys::nvrtcGetCUBIN))?.log)
    }

    fn compile_to(
        &self,
        build: &Build,
        arch: &str,
        more: &[&str],
        (size, get): (SizeOf, Get),
    ) -> anyhow::Result<Compiled> {
        if !Library::Nvrtc.is_there() {
            bail!("{} is not there", Library::Nvrtc.name());
        }
        build.check()?;
        let text = CString::new(format!("{NUMBER}\n#line 1 \"{}\"\n{}", self.file, self.text))?;
        let name = CString::new(self.file)?;
        let more = more.iter().map(|&option| option.to_owned());
        let options: Vec<String> = options(build, arch).into_iter().chain(more).collect();
        let program = result::create_program(&text, Some(&name)).context("NVRTC takes no program")?;
        // SAFETY: the program was just made, and is let go below and nowhere else.
        let made = unsafe {
            let compiled = result::compile_program(program, &options);
            let log = result::get_program_log(program).map(|log| CStr::from_ptr(log.as_ptr()).to_owned());
            let log = log.map(|log| log.to_string_lossy().trim().to_owned()).unwrap_or_default();
            let image = compiled.and_then(|()| image(program, size, get));
            let _ = result::destroy_program(program);
            image.map_err(|error| (error, log.clone())).map(|image| Compiled { image, log })
        };
        made.map_err(|(error, log)| anyhow::anyhow!("{} for {arch}: {error:?}\n{log}", self.file))
    }
}

/// Says how many bytes a result has.
///
/// # Safety
/// The program must be there.
type SizeOf = unsafe fn(sys::nvrtcProgram, *mut usize) -> sys::nvrtcResult;
/// Writes a result.
///
/// # Safety
/// The program must be there, and room for as many bytes as [`SizeOf`] says.
type Get = unsafe fn(sys::nvrtcProgram, *mut std::ffi::c_char) -> sys::nvrtcResult;

/// What a compiled program came to.
///
/// # Safety
/// The program must have been compiled and not let go; both functions must be about the same result.
unsafe fn image(program: sys::nvrtcProgram, size: SizeOf, get: Get) -> Result<Vec<u8>, result::NvrtcError> {
    let mut bytes = 0;
    // SAFETY: as the caller promises; the buffer is as long as NVRTC says.
    unsafe {
        size(program, &raw mut bytes).result()?;
        let mut image = vec![0_u8; bytes];
        get(program, image.as_mut_ptr().cast()).result()?;
        Ok(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::sizes::Half;
    use std::collections::BTreeSet;

    /// Hopper, Ampere and the RTX 3090. The first alone is tried unless `ATR_KERNELS` is `all`, since each takes seconds.
    const ARCHS: [&str; 3] = ["sm_90", "sm_80", "sm_86"];

    fn builds() -> Vec<Build> {
        [(Half::Bf16, 128, 4), (Half::Fp16, 128, 4), (Half::Bf16, 64, 8), (Half::Bf16, 128, 1)]
            .map(|(half, dim, group)| Build { half, dim, group })
            .to_vec()
    }

    /// Kinds of GPU and builds that are tried.
    fn compiled() -> Vec<(&'static str, Build)> {
        let all = std::env::var("ATR_KERNELS").is_ok_and(|kernels| kernels == "all");
        let archs = if all { &ARCHS[..] } else { &ARCHS[..1] };
        archs.iter().flat_map(|&arch| builds().into_iter().map(move |build| (arch, build))).collect()
    }

    #[test]
    fn every_kernel_compiles_without_a_warning() {
        if !Library::Nvrtc.is_there() {
            eprintln!("skipped: no libnvrtc here; `cargo xtask kernels` fetches one and runs this test");
            return;
        }
        for (arch, build) in compiled() {
            for source in &SOURCES {
                let Compiled { image, log } = source.compile(&build, arch).unwrap();
                assert_eq!(log, "", "{} for {arch}, {build:?}", source.file);
                for kernel in source.kernels {
                    let named = image.windows(kernel.len()).any(|bytes| bytes == kernel.as_bytes());
                    assert!(named, "{kernel} is in {}", source.file);
                }
            }
        }
    }

    /// What spills goes to memory and back, each time it is used.
    #[test]
    fn no_kernel_spills() {
        if !Library::Nvrtc.is_there() {
            eprintln!("skipped: no libnvrtc here");
            return;
        }
        for (arch, build) in compiled() {
            for source in &SOURCES {
                let usage = source.usage(&build, arch).unwrap();
                let (kept, all) = ("0 bytes stack frame, 0 bytes spill stores", "bytes stack frame");
                let counts = [kept, all].map(|words| usage.matches(words).count());
                assert_eq!(
                    counts,
                    [source.kernels.len(); 2],
                    "{} for {arch}, {build:?}: {usage}",
                    source.file
                );
            }
        }
    }

    #[test]
    fn what_does_not_compile_says_where() {
        if !Library::Nvrtc.is_there() {
            eprintln!("skipped: no libnvrtc here");
            return;
        }
        let wrong = Source { file: "wrong.cu", text: "\n__global__ void f() { g(); }\n", kernels: &[] };
        let error = wrong.compile(&builds()[0], "sm_90").err().unwrap().to_string();
        assert!(error.contains("wrong.cu(2)") && error.contains("\"g\" is undefined"), "{error}");
    }

    #[test]
    fn every_kernel_is_listed() {
        for source in &SOURCES {
            let defined = source.text.matches("extern \"C\" __global__").count();
            assert_eq!(source.kernels.len(), defined, "{}", source.file);
        }
    }

    /// What is given is said nowhere else, and is of use.
    #[test]
    fn kernels_take_their_sizes_from_the_host() {
        let sources: Vec<&str> = SOURCES.iter().map(|source| source.text).chain([NUMBER]).collect();
        let text = sources.join("\n");
        let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        for (name, _) in sizes::macros(&builds()[0]) {
            assert!(words.contains(name.as_str()), "{name} is used");
            assert!(!text.contains(&format!("#define {name} ")), "{name} is defined once");
        }
    }

    #[test]
    fn heads_that_the_kernels_do_not_take_are_refused() {
        let build =
            |dim, group| Build { half: Half::Bf16, dim, group }.check().map_err(|error| error.to_string());
        assert_eq!(build(128, 4), Ok(()));
        assert_eq!(build(96, 4), Err("heads of 96, expected 64 or 128".to_owned()));
        assert!(build(128, 17).is_err());
    }

    #[test]
    fn gpus_are_named_as_the_compiler_does() {
        assert_eq!([arch(8, 6), arch(9, 0), arch(12, 0)], ["sm_86", "sm_90", "sm_120"]);
    }
}
