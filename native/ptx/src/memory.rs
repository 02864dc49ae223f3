//! The GPU's memory: what was allocated, and nothing else.

use anyhow::{Context, ensure};
use std::collections::BTreeMap;

/// An address in the GPU's memory.
type Ptr = u64;

/// Where allocations begin, beyond every address of shared memory.
pub(crate) const FIRST: Ptr = 1 << 20;
/// Every allocation begins at a multiple of it, as CUDA's do.
const ALIGNMENT: u64 = 256;

/// Allocations by their first address.
#[derive(Debug)]
pub struct Memory {
    held: BTreeMap<Ptr, Vec<u8>>,
    next: Ptr,
}

impl Default for Memory {
    fn default() -> Self {
        Memory { held: BTreeMap::new(), next: FIRST }
    }
}

impl Memory {
    /// Room for so many bytes, of which `kept` are there, with nothing in it that could pass for a result.
    pub fn alloc(&mut self, bytes: u64, kept: bool) -> Ptr {
        let at = self.next;
        // A gap, so that what runs over the end meets nobody's memory.
        self.next += (bytes / ALIGNMENT + 2) * ALIGNMENT;
        self.held.insert(at, vec![0xff; if kept { bytes as usize } else { 0 }]);
        at
    }

    /// Lets an allocation go.
    ///
    /// # Errors
    /// When there is none.
    pub fn free(&mut self, at: Ptr) -> anyhow::Result<()> {
        self.held.remove(&at).map(drop).with_context(|| format!("no memory at {at:#x}"))
    }

    /// Bytes of the allocation that begins there.
    pub fn size(&self, at: Ptr) -> u64 {
        self.held.get(&at).map_or(0, |held| held.len() as u64)
    }

    /// So many bytes.
    ///
    /// # Errors
    /// When they are not of one allocation.
    pub fn read(&self, at: Ptr, bytes: u64) -> anyhow::Result<&[u8]> {
        let found = self.held.range(..=at).next_back();
        found
            .and_then(|(start, held)| held.get((at - start) as usize..(at - start + bytes) as usize))
            .with_context(|| nobodys(at, bytes))
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// When they are not of one allocation.
    pub fn write(&mut self, at: Ptr, bytes: &[u8]) -> anyhow::Result<()> {
        let found = self.held.range_mut(..=at).next_back();
        let place =
            found.and_then(|(start, held)| held.get_mut((at - start) as usize..)?.get_mut(..bytes.len()));
        place.map(|place| place.copy_from_slice(bytes)).with_context(|| nobodys(at, bytes.len() as u64))
    }
}

fn nobodys(at: Ptr, bytes: u64) -> String {
    format!("{bytes} bytes at {at:#x} are nobody's memory")
}

/// Checks that an access of so many bytes begins where hardware lets it.
pub(crate) fn aligned(at: u64, bytes: u64) -> anyhow::Result<()> {
    ensure!(at.is_multiple_of(bytes), "{bytes} bytes at {at:#x}, which is no multiple of them");
    Ok(())
}
