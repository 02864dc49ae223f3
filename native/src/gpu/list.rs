//! The GPUs that a driver knows, asked without starting work on any.
#![allow(unsafe_code, reason = "the driver's interface is C")]

use super::libraries::Library;
use cudarc::driver::{DriverError, result, sys};
use serde::Serialize;

/// What is known of a GPU before anything runs on it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Gpu {
    /// Its name.
    pub(crate) name: String,
    /// Memory.
    pub(crate) memory_bytes: u64,
    /// Compute capability, such as `9.0`.
    pub(crate) compute_capability: String,
    /// Multiprocessors.
    pub(crate) multiprocessors: u32,
    /// The newest CUDA that the driver serves, such as `13.0`.
    pub(crate) driver_cuda: String,
}

/// All GPUs; none where there is no driver.
///
/// # Errors
/// When there is a driver and it does not answer.
pub(crate) fn list() -> Result<Vec<Gpu>, DriverError> {
    if !Library::Driver.is_there() {
        return Ok(Vec::new());
    }
    match result::init() {
        Err(DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => return Ok(Vec::new()),
        other => other?,
    }
    let mut version = 0;
    // SAFETY: the driver is loaded and writes one number.
    unsafe { sys::cuDriverGetVersion(&mut version) }.result()?;
    let driver_cuda = format!("{}.{}", version / 1_000, version % 1_000 / 10);
    (0..result::device::get_count()?).map(|ordinal| one(ordinal, &driver_cuda)).collect()
}

fn one(ordinal: i32, driver_cuda: &str) -> Result<Gpu, DriverError> {
    use sys::CUdevice_attribute as Attribute;
    let device = result::device::get(ordinal)?;
    // SAFETY: the device was just returned by the driver.
    let ask = |attribute| unsafe { result::device::get_attribute(device, attribute) };
    let major = ask(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = ask(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    let multiprocessors = ask(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
    Ok(Gpu {
        name: result::device::get_name(device)?,
        // SAFETY: as above.
        memory_bytes: unsafe { result::device::total_mem(device) }? as u64,
        compute_capability: format!("{major}.{minor}"),
        multiprocessors: u32::try_from(multiprocessors).unwrap_or(0),
        driver_cuda: driver_cuda.to_owned(),
    })
}
