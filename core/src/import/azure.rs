//! Azure LLM inference traces: a table with one request a line, its time and two token counts.
//!
//! The source knows neither sessions nor prompts, so every line is a session of one call whose prompt
//! shares nothing. Times count from the first line; where a later line is older, it is set to that
//! line's time and marked.

use super::csv::{Layout, Row};
use super::json::Fault;
use super::{ImportError, Imported, Importer, Source, names, stamp};
use crate::trace::{Call, MAX_US, Mark, Scope, Session};
use std::io::BufRead;

const LAYOUT: Layout = Layout {
    columns: &["TIMESTAMP", "ContextTokens", "GeneratedTokens"],
    required: 3,
    ignored: &["NumImages"],
};

pub(super) struct Azure;

impl Importer for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn about(&self) -> &'static str {
        "Azure LLM inference CSV: one request a line, with its time and token counts"
    }

    fn detect(&self, head: &[u8]) -> bool {
        LAYOUT.detect(head)
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        source: &Source<'_>,
        into: &mut Imported,
    ) -> Result<(), ImportError> {
        let mut first_us = None;
        LAYOUT.read(input, source, into, |row, into| {
            let session = session(row, &mut first_us).map_err(|fault| fault.to_string())?;
            into.push(source, session);
            Ok(())
        })
    }
}

fn session(row: &Row<'_>, first_us: &mut Option<u64>) -> Result<Session, Fault> {
    let us = stamp::iso_us(row.text(0)).ok_or_else(|| {
        let found = if row.text(0).is_empty() { "missing" } else { "something else" };
        Fault::new("TIMESTAMP", found, "a date and time such as `2023-11-16 18:17:03.9799600`")
    })?;
    let prompt_tokens = row.num(1).tokens("ContextTokens")?;
    let output_tokens = row.num(2).tokens("GeneratedTokens")?;
    let first = *first_us.get_or_insert(us);
    if us.abs_diff(first) > MAX_US {
        return Err(Fault::new("TIMESTAMP", "years from the first", "times of one recording"));
    }
    let early = us < first;
    let marks = if early {
        vec![Mark::Estimated, Mark::OutOfOrder, Mark::Sessionless]
    } else {
        vec![Mark::Sessionless]
    };
    Ok(Session {
        id: format!("azure-{}", row.number),
        source: "azure".to_owned(),
        harness: String::new(),
        models: vec![names::UNKNOWN.to_owned()],
        scope: Scope::Session,
        block_tokens: None,
        counts_from: "source".to_owned(),
        marks,
        messages: Vec::new(),
        segments: Vec::new(),
        calls: vec![Call {
            at_us: Some(us.saturating_sub(first)),
            prompt_tokens,
            output_tokens: Some(output_tokens),
            estimated: early,
            ..Call::default()
        }],
        outcome: None,
    })
}
