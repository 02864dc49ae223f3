//! mooncake.
use super::{ImportError, Imported, Importer, Source};
use std::io::BufRead;

pub(super) struct Mooncake;

impl Importer for Mooncake {
    fn name(&self) -> &'static str {
        "mooncake"
    }
    fn about(&self) -> &'static str {
        ""
    }
    fn detect(&self, _head: &[u8]) -> bool {
        false
    }
    fn read(
        &self,
        _input: &mut dyn BufRead,
        _source: &Source<'_>,
        _into: &mut Imported,
    ) -> Result<(), ImportError> {
        Ok(())
    }
}
