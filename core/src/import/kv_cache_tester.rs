//! kv_cache_tester.
use super::{ImportError, Imported, Importer, Source};
use std::io::BufRead;

pub(super) struct KvCacheTester;

impl Importer for KvCacheTester {
    fn name(&self) -> &'static str {
        "kv-cache-tester"
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
