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
    /// The newest CUDA that the driver serves, such as `13.0`.
    pub(crate) driver_cuda: String,
}

impl About {
    /// Such as `9.0`.
    pub(crate) fn compute_capability(&self) -> String {
        format!("{}.{}", self.capability.0, self.capability.1)
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

    /// Runs captured work; microseconds as in [`Device::run`].
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
