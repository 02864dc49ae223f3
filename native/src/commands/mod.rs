//! One file per command.

pub(crate) mod data;
pub(crate) mod import;
