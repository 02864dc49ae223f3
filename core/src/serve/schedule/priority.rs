//! The client's priority, as vLLM's scheduler of that name has it; or one that a gateway could give by who asks.

use super::keyed::{Key, Keyed, OVERTAKEN, Order};
use super::{Choice, Waiting};
use crate::choice::{About, Param, Preset};
use crate::trace::CallRole;

pub(super) const ABOUT: About = About {
    name: "priority",
    about: "the client's priority, lower first, or sub-agents' calls last (main-first); the highest number is thrown out when room is short",
    params: &[
        OVERTAKEN,
        Param {
            key: "main_first",
            about: "1: in place of the client's priority, sub-agents' calls come after all others",
            default: 0.0,
            whole: true,
            range: (0.0, 1.0),
        },
    ],
    presets: &[
        Preset {
            name: "vllm",
            source: "vLLM, which has no guard against starvation",
            values: &[("overtaken", 1e15)],
        },
        Preset {
            name: "main-first",
            source: "ours: as a gateway could set it that knows who asks",
            values: &[("main_first", 1.0)],
        },
    ],
};

/// Whether sub-agents' calls come last, whatever the client says.
pub fn main_first(choice: &Choice) -> bool {
    choice.name() == ABOUT.name && choice.whole("main_first") > 0
}

/// Lower numbers first, then the earlier arrival. When decoding runs out of room, the running call with the highest
/// number goes, of several the one that came last, and waits in its place again. As in vLLM's engine of today, a
/// call that only waits throws nobody out.
#[derive(Clone)]
struct Priority {
    main_first: bool,
}

impl Order for Priority {
    fn key(&self, waiting: &Waiting) -> Key {
        let priority = match self.main_first {
            true => i32::from(waiting.role == CallRole::Subagent),
            false => waiting.priority,
        };
        (u64::from(priority.wrapping_sub(i32::MIN) as u32), 0)
    }
}

pub(super) fn queue(choice: &Choice) -> Keyed {
    Keyed::new(Priority { main_first: main_first(choice) }, choice.whole("overtaken"))
}

#[cfg(test)]
mod tests {
    use super::super::keyed::tests::{place_of_the_last, pops};
    use super::super::tests::chosen;
    use super::*;
    use crate::serve::schedule::Queue;

    fn waiting(call: u32, priority: i32) -> Waiting {
        Waiting { call, priority, ..Waiting::default() }
    }

    #[test]
    fn lower_numbers_go_first_and_the_highest_is_thrown_out() {
        let mut queue = queue(&chosen("priority"));
        let given = [(0, 3), (1, -5), (2, 0), (3, i32::MAX), (4, i32::MIN), (5, 0)];
        given.into_iter().for_each(|(call, priority)| queue.push(waiting(call, priority)));
        assert_eq!(pops(&mut queue), [4, 1, 2, 5, 0, 3]);
        assert_eq!(queue.victim(&[4, 3, 0]), 1);
        assert_eq!(queue.victim(&[2, 5, 1]), 1, "of equals, the later arrival");
    }

    /// The summary that the main agent waits for and its review are its own; what a client says is not asked.
    #[test]
    fn sub_agents_come_after_all_others() {
        use CallRole::{Agent, Reviewer, Subagent, Summariser};
        let mut queue = queue(&chosen("priority:main-first"));
        for (call, role, priority) in
            [(0, Subagent, -9), (1, Agent, 5), (2, Subagent, 0), (3, Summariser, 0), (4, Reviewer, 1)]
        {
            queue.push(Waiting { role, ..waiting(call, priority) });
        }
        assert_eq!(pops(&mut queue), [1, 3, 4, 0, 2]);
        assert_eq!(queue.victim(&[2, 1, 4]), 0);
    }

    #[test]
    fn a_guard_ends_starvation_and_vllm_has_none() {
        let place = |text| {
            let mut queue = queue(&chosen(text));
            place_of_the_last(&mut queue, waiting(0, 1), waiting(0, 0))
        };
        assert_eq!(place("priority"), Some(256));
        assert_eq!(place("priority:overtaken=3"), Some(3));
        assert_eq!(place("priority:vllm"), None);
    }
}
