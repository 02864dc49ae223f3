//! Context strategies: which messages of a session are sent again, and in what form. A strategy is a
//! function from a session to the prompts that servers will be asked.

mod build;
mod masking;
mod raw;

pub use build::{BuildOptions, build};
pub use masking::Masking;
pub use raw::Raw;

use crate::trace::{Call, Mark, Session};

/// What becomes of one message of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Sent as it is.
    Keep,
    /// Replaced by a placeholder of so many tokens.
    Replace(u32),
}

/// One context strategy.
pub trait ContextStrategy: Sync {
    /// Name with its parameters, as the command line takes it.
    fn name(&self) -> String;
    /// Decides for every message of `view` (message indices, in order) whether `call` sends it.
    /// Leaves `fates` empty when everything is kept.
    fn fates(&self, session: &Session, call: &Call, view: &[u32], fates: &mut Vec<Fate>);
    /// Whether every message of every session is sent as it is, so that nothing need be asked.
    fn keeps_all(&self) -> bool {
        false
    }
    /// Whether the strategy can say anything about this session; `raw` always can.
    fn applies(&self, session: &Session) -> bool {
        !session.has(Mark::Sessionless) && !session.messages.is_empty()
    }
}

/// The accepted names, for help texts and errors.
pub const KNOWN: &str = "raw, masking:N, masking:N:POLLING";

/// Looks a strategy up by its name with parameters.
pub fn by_name(name: &str) -> Option<Box<dyn ContextStrategy>> {
    let mut parts = name.split(':');
    let strategy: Box<dyn ContextStrategy> = match parts.next()? {
        "raw" => Box::new(Raw),
        "masking" => {
            let keep =
                parts.next().map_or(Some(Masking::default().keep), |n| n.parse().ok().filter(|&n| n > 0))?;
            let polling = parts.next().map_or(Some(1), |p| p.parse().ok().filter(|&p| p > 0))?;
            Box::new(Masking { keep, polling, ..Masking::default() })
        }
        _ => return None,
    };
    parts.next().is_none().then_some(strategy)
}
