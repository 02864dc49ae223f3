//! What every run over the same prompts shares: the workload of a context strategy and its prefix
//! tree. Who runs many scenarios over one set keeps them on a shelf instead of making them again.

use crate::context::{self, BuildOptions, ContextStrategy};
use crate::serve::PrefixTree;
use crate::trace::{Session, Workload};
use std::sync::Arc;

/// All that prompts depend on, besides the sessions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PromptsKey {
    /// The context strategy with its parameters.
    pub context: String,
    /// Tokens in a block of the tree.
    pub block_tokens: u32,
    /// The output cap that clients ask for, which calls carry.
    pub max_tokens: u32,
    /// Whether prefixes of equal sizes are taken for equal across sessions.
    pub share_system: bool,
}

/// All prompts of a set under one context strategy, cut into blocks. Clones share them.
#[derive(Clone, Debug)]
pub struct Prompts {
    /// What servers are asked.
    pub work: Arc<Workload>,
    /// Its prompts as a tree.
    pub tree: Arc<PrefixTree>,
}

impl Prompts {
    /// Makes them. `strategy` is the one that `key` names.
    pub(super) fn make(sessions: &[Session], strategy: &dyn ContextStrategy, key: &PromptsKey) -> Self {
        let options = BuildOptions { max_tokens: key.max_tokens, share_system: key.share_system };
        let work = context::build(sessions, strategy, &options);
        let tree = PrefixTree::build(&work, key.block_tokens);
        Prompts { work: Arc::new(work), tree: Arc::new(tree) }
    }
}

/// Keeps prompts of one set between runs. What it gives must have been made for the same sessions.
pub trait Shelf {
    /// The prompts of `key`: those that are kept, else what `make` makes.
    fn prompts(&mut self, key: &PromptsKey, make: &dyn Fn() -> Prompts) -> Prompts;
}

/// Keeps everything for as long as it lives.
#[derive(Clone, Debug, Default)]
pub struct KeepAll(Vec<(PromptsKey, Prompts)>);

impl Shelf for KeepAll {
    fn prompts(&mut self, key: &PromptsKey, make: &dyn Fn() -> Prompts) -> Prompts {
        if let Some((_, kept)) = self.0.iter().find(|(known, _)| known == key) {
            return kept.clone();
        }
        let made = make();
        self.0.push((key.clone(), made.clone()));
        made
    }
}
