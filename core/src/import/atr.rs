//! Our own format: a header line, then one session a line, folded already.

use super::head::Shape;
use super::{ImportError, Imported, Importer, Source, names, shift_ids};
use crate::trace::ndjson::{Malformed, Reader, is_trace};
use crate::trace::{Scope, Session};
use std::io::BufRead;

pub(super) struct Atr;

impl Importer for Atr {
    fn name(&self) -> &'static str {
        "atr"
    }

    fn about(&self) -> &'static str {
        "this project's own NDJSON: a header line, then one session a line"
    }

    fn detect(&self, head: &[u8]) -> bool {
        let shape = Shape::of(head);
        // Another version than ours is said to be one when the header is read.
        shape.and_then(|shape| shape.text("/schema").map(is_trace)).unwrap_or(false)
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        source: &Source<'_>,
        into: &mut Imported,
    ) -> Result<(), ImportError> {
        let malformed = |error: Malformed| ImportError::Malformed {
            file: source.name.to_owned(),
            why: error.to_string(),
        };
        let (header, reader) = Reader::open(input).map_err(malformed)?;
        into.headers.push(header);
        let base = into.reserve_ids();
        for session in reader {
            match session {
                Ok(mut session) => {
                    keep_known_names(&mut session);
                    if session.scope == Scope::Set {
                        shift_ids(&mut session, base);
                    }
                    into.push_folded(source, session);
                }
                Err(error @ Malformed::Read { goes_on: false, .. }) => {
                    into.skip(source, format!("the file ends early: {error}"));
                }
                Err(error) => into.skip(source, error),
            }
        }
        Ok(())
    }
}

/// A file that says it is ours may come from anywhere: every string in it passes the same lists as a
/// foreign one.
pub(super) fn keep_known_names(session: &mut Session) {
    for text in [&mut session.id, &mut session.source, &mut session.harness] {
        *text = names::id(text);
    }
    session.counts_from = names::counts(&session.counts_from);
    for (number, model) in session.models.iter_mut().enumerate() {
        *model = names::known_model(model, number);
    }
    let tools = session.calls.iter_mut().flat_map(|call| &mut call.tools).map(|tool| &mut tool.name);
    for name in tools.chain(session.messages.iter_mut().filter_map(|message| message.tool.as_mut())) {
        *name = names::known_tool(name);
    }
    if let Some(ending) = &mut session.outcome {
        ending.exit = names::id(&ending.exit);
    }
}
