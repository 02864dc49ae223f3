//! A GPU through CUDA's driver: one context, one stream, kernels compiled for it when it is opened.
#![allow(unsafe_code, reason = "the driver's interface is C")]

mod blas;
mod launch;

#[cfg(test)]
pub(crate) use launch::launches;

use super::device::{About, Device, Graph};
use super::libraries::Library;
use super::list;
use super::op::{Op, Ptr};
use super::sizes::ATTENTION_THREADS;
use super::sizes::Build;
use super::source::{self, Compiled, SOURCES};
use crate::output;
use anyhow::{Context, bail, ensure};
use blas::Blas;
use cudarc::driver::{DriverError, result, sys};
use std::collections::BTreeMap;
use std::ffi::CString;

/// An opened GPU.
pub(crate) struct Cuda {
    about: About,
    build: Build,
    stream: sys::CUstream,
    start: sys::CUevent,
    end: sys::CUevent,
    kernels: BTreeMap<&'static str, sys::CUfunction>,
    blas: Blas,
    graphs: Vec<Option<Captured>>,
}

/// A captured sequence of work, and the clocks that hide its launch.
#[derive(Clone, Copy)]
struct Captured {
    graph: sys::CUgraphExec,
    hiding_clocks: u64,
}

/// Clocks of a multiprocessor that the GPU waits while a graph is launched: 300 µs at 2 GHz. Where a launch takes longer, as
/// older drivers' does for many kernels, the wait is doubled up to the other.
const HIDING_CLOCKS: u64 = 600_000;
const MOST_HIDING_CLOCKS: u64 = 8 * HIDING_CLOCKS;

impl Cuda {
    /// Opens a GPU and compiles the kernels for it.
    ///
    /// # Errors
    /// When a library or the GPU is missing, or the kernels cannot be compiled.
    pub(crate) fn open(ordinal: i32, build: Build) -> anyhow::Result<Self> {
        for library in Library::ALL {
            ensure!(library.is_there(), "{} is not there", library.name());
        }
        build.check()?;
        result::init().context("the driver does not start")?;
        let count = result::device::get_count()?;
        ensure!(ordinal < count, "GPU {ordinal} is not there, the driver knows {count}");
        let device = result::device::get(ordinal)?;
        let about = list::about(device)?;
        let other = if count > 1 { ", and `--gpu` names another" } else { "" };
        about.check().map_err(|error| anyhow::anyhow!("a probe needs {error}{other}"))?;
        // SAFETY: the context stays retained until the process ends.
        unsafe {
            let context = result::primary_ctx::retain(device).context("no context on the GPU")?;
            result::ctx::set_current(context)?;
        }
        let arch = source::arch(about.capability.0, about.capability.1);
        let mut kernels = BTreeMap::new();
        for source in &SOURCES {
            let Compiled { image, log } = source.compile(&build, &arch)?;
            if !log.is_empty() {
                output::note(format_args!("{}: {log}", source.file));
            }
            // SAFETY: the image is what the compiler wrote; modules are never unloaded.
            let module = unsafe { result::module::load_data(image.as_ptr().cast()) }.with_context(|| {
                let (file, driver) = (source.file, about.driver_cuda());
                format!(
                    "the driver, for CUDA {driver}, does not load {file}: is NVRTC newer than the driver?"
                )
            })?;
            for &kernel in source.kernels {
                // SAFETY: the module is loaded.
                let function = unsafe { result::module::get_function(module, CString::new(kernel)?) };
                let function = function.with_context(|| format!("no kernel `{kernel}`"))?;
                make_room(function, kernel, launch::shared_bytes(kernel, &build))
                    .with_context(|| format!("kernel `{kernel}` gets no shared memory"))?;
                kernels.insert(kernel, function);
            }
        }
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking)?;
        let event = || result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT);
        let (start, end) = (event()?, event()?);
        let blas = Blas::new(build.half, stream)?;
        Ok(Cuda { about, build, stream, start, end, kernels, blas, graphs: Vec::new() })
    }

    fn function(&self, kernel: &str) -> anyhow::Result<sys::CUfunction> {
        self.kernels.get(kernel).copied().with_context(|| format!("no kernel `{kernel}`"))
    }

    fn submit(&mut self, ops: &[Op]) -> anyhow::Result<()> {
        for op in ops {
            self.launch(op).with_context(|| op.to_string())?;
        }
        Ok(())
    }

    /// Microseconds that the GPU takes over what is submitted in between, and whether all of it was there before the GPU came
    /// to its begin.
    fn timed(&mut self, submit: impl FnOnce(&mut Self) -> anyhow::Result<()>) -> anyhow::Result<(f64, bool)> {
        // SAFETY: both events and the stream are this one's own.
        unsafe { result::event::record(self.start, self.stream)? };
        submit(self)?;
        // What fails otherwise fails again below.
        // SAFETY: as above.
        let ahead = unsafe { result::event::query(self.start) }.is_err();
        // SAFETY: as above; the end was recorded behind the start on the same stream and has passed.
        let ms = unsafe {
            result::event::record(self.end, self.stream)?;
            result::event::synchronize(self.end).context("the work on the GPU failed")?;
            result::event::elapsed(self.start, self.end)?
        };
        Ok((f64::from(ms) * 1e3, ahead))
    }

    fn wait(&self) -> Result<(), DriverError> {
        // SAFETY: the stream is this one's own.
        unsafe { result::stream::synchronize(self.stream) }
    }
}

/// Kernels that keep keys and values in shared memory, and want several blocks on a multiprocessor.
const SHARING: [&str; 2] = ["prefill", "decode"];

/// Lets a kernel's launches ask for so much shared memory, which may be more than the 48 KB that every kernel gets; where
/// several blocks are to have room, all that a multiprocessor can give goes to shared memory.
fn make_room(function: sys::CUfunction, kernel: &str, bytes: u32) -> anyhow::Result<()> {
    use sys::CUfunction_attribute_enum::{
        CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT,
    };
    let set = |attribute, value| {
        // SAFETY: the function is of a module that stays loaded.
        unsafe { result::function::set_function_attribute(function, attribute, value) }
    };
    if bytes > 0 {
        set(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, i32::try_from(bytes)?)?;
    }
    if SHARING.contains(&kernel) {
        set(CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 100)?;
    }
    Ok(())
}

impl Device for Cuda {
    fn about(&self) -> &About {
        &self.about
    }

    fn blocks_at_once(&mut self, kernel: &'static str) -> anyhow::Result<u64> {
        let threads = i32::try_from(ATTENTION_THREADS)?;
        let bytes = launch::shared_bytes(kernel, &self.build) as usize;
        let function = self.function(kernel)?;
        let asked = result::occupancy::max_active_block_per_multiprocessor;
        // SAFETY: the kernel is loaded.
        let blocks = u64::try_from(unsafe { asked(function, threads, bytes) }?)?;
        ensure!(blocks > 0, "no block of `{kernel}` has room on a multiprocessor");
        Ok(blocks)
    }

    fn free_bytes(&mut self) -> anyhow::Result<u64> {
        Ok(result::mem_get_info()?.0 as u64)
    }

    fn alloc(&mut self, bytes: u64) -> anyhow::Result<Ptr> {
        // SAFETY: only the GPU reads or writes what is returned, a number; what it holds before it is written is any bytes.
        unsafe { result::malloc_sync(usize::try_from(bytes)?) }
            .with_context(|| format!("no room for {bytes} bytes on the GPU"))
    }

    fn free(&mut self, memory: Ptr) -> anyhow::Result<()> {
        self.wait()?;
        // SAFETY: nothing runs any more; what `alloc` did not give the driver refuses.
        Ok(unsafe { result::free_sync(memory) }?)
    }

    fn upload(&mut self, to: Ptr, bytes: &[u8]) -> anyhow::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        // On this one's stream: a copy on the null stream is not ordered before the kernels of one that does not wait for it.
        // SAFETY: the bytes are read before the wait is over; where they go is the GPU's memory, which no host code reads.
        unsafe { result::memcpy_htod_async(to, bytes, self.stream) }?;
        Ok(self.wait()?)
    }

    fn download(&mut self, from: Ptr, bytes: &mut [u8]) -> anyhow::Result<()> {
        self.wait()?;
        // SAFETY: the driver writes as many bytes as the slice has; what is read of the GPU's memory it checks.
        Ok(unsafe { result::memcpy_dtoh_sync(bytes, from) }?)
    }

    fn run(&mut self, ops: &[Op]) -> anyhow::Result<f64> {
        Ok(self.timed(|cuda| cuda.submit(ops))?.0)
    }

    fn capture(&mut self, ops: &[Op]) -> anyhow::Result<Graph> {
        // What is loaded or chosen at a kernel's first launch must not fall into the capture.
        self.run(ops)?;
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is this one's own and captures nothing yet.
        unsafe { result::stream::begin_capture(self.stream, mode)? };
        let submitted = self.submit(ops);
        // SAFETY: the capture was begun above, and is ended even where something could not be submitted.
        let graph = unsafe { result::stream::end_capture(self.stream) };
        submitted?;
        let graph = graph.context("the work cannot be captured")?;
        // SAFETY: the graph was just captured; what was made of it does not need it.
        let made = unsafe {
            let made = result::graph::instantiate(graph, sys::CUgraphInstantiate_flags_enum(0));
            result::graph::destroy(graph)?;
            made.context("the graph cannot be made")?
        };
        // SAFETY: the graph was just made. What its first launch would bring to the GPU is brought now.
        unsafe { result::graph::upload(made, self.stream) }.context("the graph does not get to the GPU")?;
        self.graphs.push(Some(Captured { graph: made, hiding_clocks: HIDING_CLOCKS }));
        Ok(Graph(self.graphs.len() - 1))
    }

    fn replay(&mut self, graph: Graph) -> anyhow::Result<f64> {
        loop {
            let Some(Some(made)) = self.graphs.get(graph.0).copied() else { bail!("no such graph") };
            self.launch(&Op::Spin { clocks: made.hiding_clocks })?;
            // SAFETY: it was made by `capture` and not let go.
            let launch = |cuda: &mut Cuda| unsafe { result::graph::launch(made.graph, cuda.stream) };
            let (us, ahead) = self.timed(|cuda| launch(cuda).context("the graph does not start"))?;
            if ahead || made.hiding_clocks >= MOST_HIDING_CLOCKS {
                return Ok(us);
            }
            self.graphs[graph.0] = Some(Captured { hiding_clocks: made.hiding_clocks * 2, ..made });
        }
    }

    fn forget(&mut self, graph: Graph) -> anyhow::Result<()> {
        let Some(made) = self.graphs.get_mut(graph.0).and_then(Option::take) else {
            bail!("no such graph");
        };
        self.wait()?;
        // SAFETY: it was taken out of the list, so that nobody gets it again.
        Ok(unsafe { result::graph::exec_destroy(made.graph) }?)
    }
}
