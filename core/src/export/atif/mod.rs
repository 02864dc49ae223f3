//! ATIF (Agent Trajectory Interchange Format), version 1.4: one JSON document for every agent of a
//! session.
//!
//! Every call is an agent's step, and what came new into its prompt stands before it: observations with
//! the step that asked for them, all else as steps of its own. Without texts messages are empty and
//! their sizes stand in `extra`. Stamps are absolute there and relative here, so times stand in `extra`
//! too. A single request of a log is no agent's run and is left out. A sub-agent has a document of its own, named by the step that started it.

mod document;
mod steps;

use super::lost::{self, Fact};
use super::{Documents, ExportError, Exported, Exporter, Set};
use crate::trace::{Mark, Session, Transcript};
use document::{Agent, Ended, FinalMetrics, RootExtra, SCHEMA, Trajectory};
use steps::Steps;

/// What no document can say.
const LOST: &[Fact] = &[lost::IDENTITIES, lost::ROLES, lost::GRAPH];

pub(super) struct Atif;

impl Exporter for Atif {
    fn name(&self) -> &'static str {
        "atif"
    }

    fn about(&self) -> &'static str {
        "ATIF 1.4 trajectories: one JSON document an agent, with texts where they were asked for"
    }

    fn ending(&self) -> &'static str {
        "json"
    }

    fn holds_texts(&self) -> bool {
        true
    }

    fn write(&self, set: &Set<'_>, to: &mut dyn Documents) -> Result<Exported, ExportError> {
        if let Some(asked) = set.block_tokens {
            let expected = "none: it has no blocks".to_owned();
            return Err(ExportError::Block { format: "atif", asked, expected });
        }
        let mut exported = Exported::default();
        for session in set.sessions {
            if session.has(Mark::Sessionless) {
                exported.lose("single requests, which are no agent's run", 1);
                continue;
            }
            let text = set.transcripts.iter().find(|text| text.id == session.id);
            let fits = |text: &&Transcript| fits(text, session);
            exported.lose("texts that do not fit their session", u64::from(text.is_some_and(|t| !fits(&t))));
            let text = text.filter(fits);
            exported.lose(
                "messages without their text",
                match text {
                    Some(_) => 0,
                    None => session.messages.len() as u64,
                },
            );
            let mut agents: Vec<u32> = session.calls.iter().map(|call| call.agent).collect();
            agents.sort_unstable();
            agents.dedup();
            for agent in agents {
                let trajectory = trajectory(session, agent, text, &mut exported);
                let out = to.begin(&trajectory.session_id)?;
                serde_json::to_writer(&mut *out, &trajectory)?;
                out.write_all(b"\n")?;
                exported.documents += 1;
            }
            exported.sessions += 1;
            exported.calls += session.calls.len() as u64;
            lost::count(&mut exported, session, LOST);
        }
        Ok(exported)
    }
}

/// Whether a transcript is that of the session: it begins with the same messages. What was said and
/// never sent may follow.
fn fits(text: &Transcript, session: &Session) -> bool {
    let pairs = text.messages.iter().zip(&session.messages);
    text.messages.len() >= session.messages.len()
        && pairs.into_iter().all(|(a, b)| (a.agent, a.role, a.kind) == (b.agent, b.role, b.kind))
}

/// The id of an agent's document.
fn id_of(session: &Session, agent: u32) -> String {
    if agent == 0 { session.id.clone() } else { format!("{}.agent-{agent}", session.id) }
}

fn trajectory<'a>(
    session: &'a Session,
    agent: u32,
    text: Option<&'a Transcript>,
    exported: &mut Exported,
) -> Trajectory<'a> {
    let mut steps = Steps::new(session, text);
    let calls = || session.calls.iter().filter(|call| call.agent == agent);
    calls().for_each(|call| steps.call(call));
    steps.finish(agent);
    exported.lose("changes of what an agent's prompt had before", steps.changes);
    exported.lose("messages that no step shows", steps.unseen(agent));
    exported.lose("cached tokens in excess of their prompts", steps.capped);
    let metrics = || steps.list.iter().filter_map(|step| step.metrics.as_ref());
    // A sum is known where every call's share is.
    let cached = metrics().map(|metrics| metrics.cached_tokens).sum();
    let cost_usd = metrics().map(|metrics| metrics.cost_usd).sum();
    let outcome = session.outcome.as_ref().filter(|_| agent == 0);
    let known = |name: &'a str| if name.is_empty() { "unknown" } else { name };
    let mut models = calls().map(|call| call.model);
    let first = models.next();
    let only = first.filter(|first| models.all(|model| model == *first));
    Trajectory {
        schema_version: SCHEMA,
        session_id: id_of(session, agent),
        agent: Agent {
            name: known(&session.harness),
            version: "unknown",
            model_name: only.and_then(|at| session.models.get(at as usize)).map(String::as_str),
        },
        final_metrics: FinalMetrics {
            total_prompt_tokens: calls().map(|call| u64::from(call.prompt_tokens)).sum(),
            total_completion_tokens: calls().map(|call| u64::from(call.output())).sum(),
            total_cached_tokens: cached,
            total_cost_usd: outcome.and_then(|outcome| outcome.cost_usd).or(cost_usd),
            total_steps: steps.list.len(),
        },
        steps: steps.list,
        extra: RootExtra {
            source: known(&session.source),
            counts_from: &session.counts_from,
            agent: (agent > 0).then_some(agent),
            marks: &session.marks,
            outcome: outcome.map(|outcome| Ended {
                exit: &outcome.exit,
                submitted: outcome.submitted,
                resolved: outcome.resolved,
            }),
        },
    }
}
