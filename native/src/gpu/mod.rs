//! NVIDIA GPUs, through libraries that are looked for when they are needed: the program builds and starts without any.
//!
//! [`libraries`] says which are there; [`list`] which GPUs a driver knows.

pub(crate) mod libraries;
mod list;

pub(crate) use list::{Gpu, list};
