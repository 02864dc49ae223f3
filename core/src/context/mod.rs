//! Context strategies: which messages of a session are sent again, and in what form. A strategy is a
//! function from a session to the prompts that servers will be asked.

mod build;
mod masking;
mod raw;

pub use build::{BuildOptions, build, priority};
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

/// The strategies, each with a line for help texts.
pub const STRATEGIES: &[(&str, &str)] = &[
    ("raw", "everything is sent again"),
    ("masking:N", "a placeholder stands for all but the newest N observations (by default 10)"),
    ("masking:N:POLLING", "the same, moved on every POLLING observations, so that prefixes hold in between"),
];

/// The accepted names, for help texts and errors.
pub fn known() -> String {
    STRATEGIES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_strategy_is_one() {
        for (name, _) in STRATEGIES {
            let name = name.replace("POLLING", "3").replace('N', "5");
            assert!(by_name(&name).is_some_and(|strategy| strategy.name().starts_with(&name)), "{name}");
        }
        for wrong in
            ["", "mask", "masking:", "masking:0", "masking:1.5", "masking:5:0", "masking:5:1:1", "raw:1"]
        {
            assert!(by_name(wrong).is_none(), "{wrong}");
        }
    }
}
