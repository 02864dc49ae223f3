//! A queue by priority for offers that mostly come in order: what is larger than all stands in a line, what is smaller
//! than all goes next, and only the rest is a heap.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// The smallest goes first.
#[derive(Clone, Debug)]
pub(super) struct Line<T> {
    /// Smaller than what is in the heap, if there is one.
    front: Option<T>,
    /// In order.
    line: VecDeque<T>,
    heap: BinaryHeap<Reverse<T>>,
}

impl<T: Ord> Default for Line<T> {
    fn default() -> Self {
        Line { front: None, line: VecDeque::new(), heap: BinaryHeap::new() }
    }
}

impl<T: Ord> Line<T> {
    pub(super) fn push(&mut self, new: T) {
        if self.line.back().is_none_or(|last| *last <= new) {
            self.line.push_back(new);
            return;
        }
        match &mut self.front {
            Some(front) if new < *front => self.heap.push(Reverse(std::mem::replace(front, new))),
            None if self.heap.peek().is_none_or(|Reverse(first)| new <= *first) => self.front = Some(new),
            _ => self.heap.push(Reverse(new)),
        }
    }

    pub(super) fn peek(&self) -> Option<&T> {
        let odd = self.front.as_ref().or_else(|| self.heap.peek().map(|Reverse(first)| first));
        match (odd, self.line.front()) {
            (Some(odd), Some(first)) => Some(odd.min(first)),
            (odd, first) => odd.or(first),
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let odd = self.front.as_ref().or_else(|| self.heap.peek().map(|Reverse(first)| first));
        let in_line = match (odd, self.line.front()) {
            (Some(odd), Some(first)) => first < odd,
            (odd, _) => odd.is_none(),
        };
        if in_line {
            return self.line.pop_front();
        }
        self.front.take().or_else(|| self.heap.pop().map(|Reverse(first)| first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_gives_what_a_heap_gives(steps in prop::collection::vec(prop::option::of(0u32..40), 0..200)) {
            let (mut line, mut heap) = (Line::default(), BinaryHeap::new());
            for step in steps {
                match step {
                    Some(number) => {
                        line.push(number);
                        heap.push(Reverse(number));
                    }
                    None => prop_assert_eq!(line.pop(), heap.pop().map(|Reverse(first)| first)),
                }
                prop_assert_eq!(line.peek(), heap.peek().map(|Reverse(first)| first));
            }
        }
    }
}
