//! A router's own books of what it sent: by replica the prompt tokens to compute of calls without a first token, and the
//! blocks of the prompts of calls that have not ended, each counted once however many calls share it.

use crate::serve::prefix::{NodeId, PrefixTree};

/// What is on one replica's account.
#[derive(Clone, Debug)]
struct Account {
    /// By node: calls whose prompt ends there, and children with calls below them.
    uses: Vec<u32>,
    blocks: u64,
    calls: u64,
    tokens: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Books {
    accounts: Vec<Account>,
    /// Prompt tokens by call that is still to be computed, as it was thought when it was sent.
    tokens: Vec<u64>,
}

impl Books {
    pub(super) fn new(tree: &PrefixTree, replicas: u32, calls: usize) -> Self {
        let account = Account { uses: vec![0; tree.len()], blocks: 0, calls: 0, tokens: 0 };
        Books { accounts: vec![account; replicas as usize], tokens: vec![0; calls] }
    }

    /// Prompt tokens that the replica was sent and has not computed.
    pub(super) fn prefill_tokens(&self, replica: u32) -> u64 {
        self.accounts[replica as usize].tokens
    }

    /// Calls that the replica was sent and that have not ended.
    pub(super) fn calls(&self, replica: u32) -> u64 {
        self.accounts[replica as usize].calls
    }

    /// Blocks that the replica would have on its account with a prompt that ends at `node`.
    pub(super) fn blocks_with(&self, tree: &PrefixTree, replica: u32, node: NodeId) -> u64 {
        let account = &self.accounts[replica as usize];
        let shared = tree.deepest(node, |at| account.uses[at as usize] > 0);
        account.blocks + u64::from(tree.end_block(node) - tree.end_block(shared))
    }

    /// A call was sent, with so many tokens to compute.
    pub(super) fn sent(&mut self, tree: &PrefixTree, replica: u32, call: u32, tokens: u64) {
        let account = &mut self.accounts[replica as usize];
        account.calls += 1;
        account.tokens += tokens;
        self.tokens[call as usize] = tokens;
        for at in tree.way(tree.prompt(call)) {
            let uses = &mut account.uses[at as usize];
            *uses += 1;
            if *uses > 1 {
                break;
            }
            account.blocks += u64::from(tree.end_block(at) - tree.start_block(at));
        }
    }

    /// A call made its first token.
    pub(super) fn started(&mut self, replica: u32, call: u32) {
        self.accounts[replica as usize].tokens -= std::mem::take(&mut self.tokens[call as usize]);
    }

    /// A call ended.
    pub(super) fn ended(&mut self, tree: &PrefixTree, replica: u32, call: u32) {
        self.started(replica, call);
        let account = &mut self.accounts[replica as usize];
        account.calls -= 1;
        for at in tree.way(tree.prompt(call)) {
            let uses = &mut account.uses[at as usize];
            *uses -= 1;
            if *uses > 0 {
                break;
            }
            account.blocks -= u64::from(tree.end_block(at) - tree.start_block(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;
    use super::*;

    /// Prompts of 4 + 2, 4 + 3 and 5 blocks of 16; the first two share 4.
    #[test]
    fn shared_blocks_count_once_and_tokens_until_the_first_token() {
        let stage = Stage::new(2, &[&[(1, 64), (2, 32)], &[(1, 64), (3, 48)], &[(4, 80)], &[(1, 64)]]);
        let tree = stage.tree;
        let mut books = Books::new(tree, 2, 4);
        let with =
            |books: &Books, call| [0, 1].map(|replica| books.blocks_with(tree, replica, tree.prompt(call)));
        assert_eq!(with(&books, 0), [6, 6]);
        books.sent(tree, 1, 0, 96);
        assert_eq!((with(&books, 0), with(&books, 1), with(&books, 2)), ([6, 6], [7, 9], [5, 11]));
        books.sent(tree, 1, 1, 48);
        books.sent(tree, 1, 3, 16);
        assert_eq!((books.prefill_tokens(1), books.calls(1), with(&books, 3)), (160, 3, [4, 9]));
        books.started(1, 0);
        books.started(1, 0);
        assert_eq!(books.prefill_tokens(1), 64, "a call that is computed again was taken off already");
        books.ended(tree, 1, 0);
        assert_eq!((with(&books, 0), books.calls(1), books.prefill_tokens(1)), ([6, 9], 2, 64));
        books.ended(tree, 1, 1);
        assert_eq!(
            (with(&books, 2), books.prefill_tokens(1)),
            ([5, 9], 16),
            "the four are still used by the last"
        );
        books.ended(tree, 1, 3);
        assert_eq!((with(&books, 2), books.prefill_tokens(1), books.calls(1)), ([5, 5], 0, 0));
    }
}
