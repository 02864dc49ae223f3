//! The GPUs that a driver knows, asked without starting work on any.
#![allow(unsafe_code, reason = "the driver's interface is C")]

use super::device::About;
use super::libraries::{Library, driver_release};
use cudarc::driver::{DriverError, result, sys};

/// All GPUs; none where there is no driver.
///
/// # Errors
/// When there is a driver and it does not answer.
pub(crate) fn list() -> Result<Vec<About>, DriverError> {
    if !Library::Driver.is_there() {
        return Ok(Vec::new());
    }
    match result::init() {
        Err(DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => return Ok(Vec::new()),
        other => other?,
    }
    (0..result::device::get_count()?).map(|ordinal| about(result::device::get(ordinal)?)).collect()
}

/// What a GPU says of itself. The driver is loaded and has started.
pub(super) fn about(device: sys::CUdevice) -> Result<About, DriverError> {
    use sys::CUdevice_attribute as Attribute;
    // SAFETY: the device was returned by the driver.
    let ask = |attribute| unsafe { result::device::get_attribute(device, attribute) };
    let mut version = 0;
    // SAFETY: the driver writes one number.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result()?;
    // None of these is ever below 0.
    let count = |attribute| ask(attribute).map(|count| u32::try_from(count).unwrap_or(0));
    Ok(About {
        name: result::device::get_name(device)?,
        capability: (
            ask(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            ask(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        // SAFETY: the device was returned by the driver.
        memory_bytes: unsafe { result::device::total_mem(device) }? as u64,
        multiprocessors: count(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        l2_bytes: count(Attribute::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)?.into(),
        driver: driver_release(version),
        bus_id: format!(
            "{:08X}:{:02X}:{:02X}.0",
            ask(Attribute::CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID)?,
            ask(Attribute::CU_DEVICE_ATTRIBUTE_PCI_BUS_ID)?,
            ask(Attribute::CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID)?
        ),
    })
}
