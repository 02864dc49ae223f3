//! Raw: everything is sent again.

use super::{ContextStrategy, Fate};
use crate::trace::{Call, Session};

/// Sends every message as it is.
#[derive(Clone, Copy, Debug)]
pub struct Raw;

impl ContextStrategy for Raw {
    fn name(&self) -> String {
        "raw".to_owned()
    }

    fn fates(&self, _session: &Session, _call: &Call, _view: &[u32], fates: &mut Vec<Fate>) {
        fates.clear();
    }

    fn keeps_all(&self) -> bool {
        true
    }

    fn applies(&self, _session: &Session) -> bool {
        true
    }
}
