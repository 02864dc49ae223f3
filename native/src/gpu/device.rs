//! What a probe needs of a GPU.

use super::op::{Op, Ptr};
use serde::{Serialize, Serializer};

/// What a GPU says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct About {
    /// Its name.
    pub(crate) name: String,
    /// Compute capability: 9 and 0 for 9.0.
    #[serde(rename = "compute_capability", serialize_with = "dotted")]
    pub(crate) capability: (i32, i32),
    /// Memory.
    pub(crate) memory_bytes: u64,
    /// Multiprocessors.
    pub(crate) multiprocessors: u32,
    /// Second-level cache.
    pub(crate) l2_bytes: u64,
    /// The newest CUDA that the driver serves: 13 and 0 for 13.0.
    #[serde(rename = "driver_cuda", serialize_with = "dotted")]
    pub(crate) driver: (i32, i32),
    /// By which `nvidia-smi` finds it, such as `00000000:3B:00.0`: its ordinals are others than CUDA's.
    pub(crate) bus_id: String,
}

/// The least CUDA that a driver must serve: the first with `cuEventElapsedTime_v2`, which the bindings call.
const LEAST_DRIVER: (i32, i32) = (12, 8);
/// The least compute capability: the first with products of bf16 and copies in the background.
const LEAST_CAPABILITY: (i32, i32) = (8, 0);

/// What a probe needs of a GPU and its driver, in words.
pub(crate) fn least() -> String {
    let ((major, minor), (driver_major, driver_minor)) = (LEAST_CAPABILITY, LEAST_DRIVER);
    format!(
        "an NVIDIA GPU of compute capability {major}.{minor} or newer, its driver for CUDA {driver_major}.{driver_minor} or newer"
    )
}

impl About {
    /// Such as `9.0`.
    pub(crate) fn compute_capability(&self) -> String {
        format!("{}.{}", self.capability.0, self.capability.1)
    }

    /// Such as `13.0`.
    pub(crate) fn driver_cuda(&self) -> String {
        format!("{}.{}", self.driver.0, self.driver.1)
    }

    /// Checks that a probe can run on it.
    ///
    /// # Errors
    /// When the driver or the GPU is too old.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let (name, (major, minor)) = (&self.name, LEAST_DRIVER);
        let driver = self.driver_cuda();
        anyhow::ensure!(
            self.driver >= LEAST_DRIVER,
            "a driver for CUDA {major}.{minor} or newer (it is for {driver})"
        );
        let (major, minor) = LEAST_CAPABILITY;
        let has = self.compute_capability();
        anyhow::ensure!(
            self.capability >= LEAST_CAPABILITY,
            "a GPU of compute capability {major}.{minor} or newer ({name} has {has})"
        );
        Ok(())
    }
}

fn dotted<S: Serializer>((major, minor): &(i32, i32), to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format!("{major}.{minor}"))
}

/// A captured sequence of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Graph(pub(crate) usize);

/// A GPU. Work runs in the order in which it is given.
pub(crate) trait Device {
    /// What it says of itself.
    fn about(&self) -> &About;

    /// Blocks of a kernel of attention that a multiprocessor holds at once.
    fn blocks_at_once(&mut self, kernel: &'static str) -> anyhow::Result<u64>;

    /// Memory that is free now.
    fn free_bytes(&mut self) -> anyhow::Result<u64>;

    /// Memory of so many bytes.
    fn alloc(&mut self, bytes: u64) -> anyhow::Result<Ptr>;

    /// Lets memory go that [`Device::alloc`] gave.
    fn free(&mut self, memory: Ptr) -> anyhow::Result<()>;

    /// Bytes to the GPU.
    fn upload(&mut self, to: Ptr, bytes: &[u8]) -> anyhow::Result<()>;

    /// Bytes from the GPU, when all work before is done.
    fn download(&mut self, from: Ptr, bytes: &mut [u8]) -> anyhow::Result<()>;

    /// Runs work and waits for its end; microseconds from its begin to its end, by the GPU's own clock.
    fn run(&mut self, ops: &[Op]) -> anyhow::Result<f64>;

    /// Keeps work to be run at one stroke. It is run once before.
    fn capture(&mut self, ops: &[Op]) -> anyhow::Result<Graph>;

    /// Runs captured work; microseconds as in [`Device::run`], without the time that its launch takes.
    fn replay(&mut self, graph: Graph) -> anyhow::Result<f64>;

    /// Lets captured work go.
    fn forget(&mut self, graph: Graph) -> anyhow::Result<()>;
}

/// Memory with these bytes.
pub(crate) fn uploaded(device: &mut dyn Device, bytes: &[u8]) -> anyhow::Result<Ptr> {
    let at = device.alloc(bytes.len() as u64)?;
    device.upload(at, bytes)?;
    Ok(at)
}

/// Whole numbers of four bytes to memory that is there.
pub(crate) fn upload_ints(
    device: &mut dyn Device,
    to: Ptr,
    numbers: impl IntoIterator<Item = u64>,
) -> anyhow::Result<()> {
    let bytes: Vec<u8> = numbers.into_iter().flat_map(|number| (number as u32).to_le_bytes()).collect();
    device.upload(to, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_old_is_refused_with_what_it_is() {
        let check = |driver, capability| {
            let about = About { name: "X".to_owned(), driver, capability, ..About::default() };
            about.check().map_err(|error| error.to_string())
        };
        assert_eq!(check((12, 8), (8, 0)), Ok(()));
        assert_eq!(check((13, 0), (12, 0)), Ok(()));
        let error = "a driver for CUDA 12.8 or newer (it is for 12.6)".to_owned();
        assert_eq!(check((12, 6), (9, 0)), Err(error));
        let error = "a GPU of compute capability 8.0 or newer (X has 7.5)".to_owned();
        assert_eq!(check((13, 0), (7, 5)), Err(error));
    }
}
