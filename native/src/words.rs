//! Counts in words, as figures write them.

pub(crate) use atr_core::figure::units::plural as count;
