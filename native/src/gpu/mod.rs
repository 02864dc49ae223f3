//! NVIDIA GPUs, through libraries that are looked for when they are needed: the program builds and starts without any.
//!
//! [`libraries`] says which are there; [`list`] which GPUs a driver knows. Work is plain data ([`op`]) that a
//! [`device::Device`] runs: [`cuda`] on a GPU, with kernels from [`source`], and a fake one in tests, by [`reference`] or by the
//! kernels themselves, which `atr_ptx` interprets.

pub(crate) mod cuda;
pub(crate) mod device;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod half;
pub(crate) mod libraries;
mod list;
pub(crate) mod op;
pub(crate) mod parts;
pub(crate) mod reference;
#[cfg(test)]
mod roofline;
pub(crate) mod sizes;
pub(crate) mod source;

pub(crate) use list::list;
