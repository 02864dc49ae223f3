//! A cluster made by hand, for the routers' tests.

use super::{Ask, Cluster, Held, Load, Router, Scores, View, make};
use crate::choice::choose;
use crate::serve::latency::{Coefficients, Ps};
use crate::serve::prefix::{NodeId, PrefixTree};
use crate::trace::{CallRole, Run, Segment, Start, WorkCall, WorkSession, Workload};

/// What a router is asked about, and what it sees; blocks of 16, room for 1,000 on a replica.
pub(in crate::serve) struct Stage {
    pub(in crate::serve) work: &'static Workload,
    pub(in crate::serve) tree: &'static PrefixTree,
    pub(in crate::serve) loads: Vec<Load>,
    /// Blocks of the prompt that is asked about, by replica.
    pub(in crate::serve) device: Vec<u32>,
    /// The same with the host's.
    pub(in crate::serve) anywhere: Vec<u32>,
    pub(in crate::serve) costs: Coefficients,
    pub(in crate::serve) first_tokens: Vec<Option<Ps>>,
    /// Session by call.
    pub(in crate::serve) sessions: Vec<u32>,
    pub(in crate::serve) now: Ps,
}

const CAPACITY: u64 = 1_000;

impl Held for Stage {
    fn device(&self, replica: u32, _node: NodeId) -> u32 {
        self.device[replica as usize]
    }

    fn anywhere(&self, replica: u32, _node: NodeId) -> u32 {
        self.anywhere[replica as usize].max(self.device[replica as usize])
    }
}

impl Stage {
    /// Prompts as (segment, tokens), one call and session each.
    pub(in crate::serve) fn new(replicas: usize, prompts: &[&[(u64, u32)]]) -> Self {
        let mut work = Workload { models: vec!["m".to_owned()], ..Workload::default() };
        for (id, prompt) in (0..).zip(prompts) {
            let mut runs = Vec::new();
            for &(id, tokens) in *prompt {
                let known = work.segments.iter().position(|segment| segment.id == id);
                let index = known.unwrap_or_else(|| {
                    work.segments.push(Segment { id, tokens });
                    work.segments.len() - 1
                });
                Run::push(&mut runs, index as u32);
            }
            work.calls.push(WorkCall {
                id,
                session: id,
                source_call: None,
                model: 0,
                role: CallRole::Agent,
                prompt: runs,
                reply: Vec::new(),
                prompt_tokens: prompt.iter().map(|&(_, tokens)| tokens).sum(),
                output_tokens: 10,
                max_tokens: 100,
                start: Start::default(),
                priority: 0,
                predict_key: 0,
                new_tokens: 0,
            });
            work.sessions.push(WorkSession {
                id: id.to_string(),
                calls: Run { first: id, count: 1 },
                sessionless: true,
                start_us: 0,
            });
        }
        // Routers hold on to both while tests change the rest.
        let work: &'static Workload = Box::leak(Box::new(work));
        Stage {
            tree: Box::leak(Box::new(PrefixTree::build(work, 16))),
            loads: vec![Load::default(); replicas],
            device: vec![0; replicas],
            anywhere: vec![0; replicas],
            costs: Coefficients { step: 1_000, prefill_token: 10, ..Coefficients::default() },
            first_tokens: Vec::new(),
            sessions: (0..work.calls.len() as u32).collect(),
            now: 0,
            work,
        }
    }

    pub(in crate::serve) fn router(&self, text: &str, seed: u64) -> Box<dyn Router> {
        let cluster = Cluster {
            replicas: self.loads.len() as u32,
            work: self.work,
            tree: self.tree,
            capacity_blocks: CAPACITY,
            seed,
        };
        make(&choose(super::ROUTERS, text).unwrap(), &cluster)
    }

    /// Asks the router about a call and sends it where it says.
    pub(in crate::serve) fn decide(&self, router: &mut dyn Router, call: u32) -> (u32, Vec<Option<f64>>) {
        let asked = &self.work.calls[call as usize];
        let ask = Ask {
            call,
            session: self.sessions[call as usize],
            prompt: self.tree.prompt(call),
            prompt_tokens: asked.prompt_tokens,
            output_tokens: 100,
            now: self.now,
        };
        let view = View {
            loads: &self.loads,
            held: self,
            tree: self.tree,
            costs: &self.costs,
            capacity_blocks: CAPACITY,
            first_tokens: &self.first_tokens,
        };
        let mut scores = Scores::on(self.loads.len() as u32);
        let picked = router.pick(&ask, &view, &mut scores);
        router.sent(&ask, &view, picked);
        (picked, scores.take())
    }
}
