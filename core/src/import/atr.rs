//! atr.
use super::{ImportError, Imported, Importer, Source};
use std::io::BufRead;

pub(super) struct Atr;

impl Importer for Atr {
    fn name(&self) -> &'static str {
        "atr"
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
