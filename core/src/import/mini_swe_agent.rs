//! mini_swe_agent.
use super::{ImportError, Imported, Importer, Source};
use std::io::BufRead;

pub(super) struct MiniSweAgent;

impl Importer for MiniSweAgent {
    fn name(&self) -> &'static str {
        "mini-swe-agent"
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
