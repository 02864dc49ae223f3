//! stub
use clap::Args;
/// Arguments.
#[derive(Args, Debug)]
pub(crate) struct DataArgs {}
