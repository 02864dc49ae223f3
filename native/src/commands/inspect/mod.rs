//! `inspect`: what is in a trace, how much of its prompts a cache could find, where they break.

mod breaks;
mod histogram;
mod overview;
mod strips;

use crate::args::{InputArgs, WrongCall};
use crate::{output, terminal};
use atr_core::metrics::breaks::Breaks;
use atr_core::metrics::{self, InspectOptions, Inspection};
use atr_core::policy;
use std::process::ExitCode;

/// Arguments of `inspect`.
#[derive(clap::Args, Debug)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Tokens in a cache block; default: the source's, else 16.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    block: Option<u32>,
    /// Capacities of one shared LRU cache to try, in tokens.
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    kv_tokens: Vec<u64>,
    /// In which order calls reach the cache: session after session, or merged by time.
    #[arg(long, value_name = "ORDER", default_value = "sequential", value_parser = ["sequential", "interleaved"])]
    order: String,
    /// Draw the strips of this many of the longest sessions.
    #[arg(long, value_name = "N", default_value_t = 1)]
    strips: usize,
    /// Say where prompts stop continuing the one before, why, and what is computed again for it.
    #[arg(long)]
    breaks: bool,
    /// With `--breaks`: name this many of the sessions that lost most, and of each as many breaks.
    #[arg(long, value_name = "N", default_value_t = 5, requires = "breaks")]
    top: usize,
    /// With `--breaks`: name every break of every session.
    #[arg(long, requires = "breaks", conflicts_with = "top")]
    all: bool,
}

/// What `--json` answers.
#[derive(serde::Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    inspection: &'a Inspection,
    #[serde(skip_serializing_if = "Option::is_none")]
    breaks: Option<&'a Breaks>,
}

/// Inspects and prints.
///
/// # Errors
/// When the call is wrong or the traces cannot be read.
pub(crate) fn run(args: &InspectArgs, json: bool) -> anyhow::Result<ExitCode> {
    if args.kv_tokens.contains(&0) {
        return Err(WrongCall("`--kv-tokens` is 0, expected at least 1".to_owned()).into());
    }
    let imported = args.input.read()?;
    let options = InspectOptions {
        block_tokens: Some(policy::block_tokens(&imported.sessions, args.block)?),
        kv_tokens: args.kv_tokens.clone(),
        interleaved: args.order == "interleaved",
    };
    let mut inspection = metrics::inspect(&imported.sessions, &options);
    inspection.skipped = imported.skipped_count();
    let breaks = args.breaks.then(|| metrics::breaks::breaks(&imported.sessions, inspection.block_tokens));
    if json {
        output::emit_json(&Answer { inspection: &inspection, breaks: breaks.as_ref() })?;
        return Ok(ExitCode::SUCCESS);
    }
    let columns = terminal::columns();
    let mut text = overview::header(&imported, &args.input.read.files, columns);
    match &breaks {
        Some(breaks) => {
            let most = if args.all { usize::MAX } else { args.top };
            text.push_str(&breaks::text(breaks, most, columns));
        }
        None => {
            text.push_str(&overview::text(&imported.sessions, &inspection, columns));
            text.push_str(&strips::text(&imported.sessions, args.strips, inspection.block_tokens, columns));
        }
    }
    output::emit(&text)?;
    Ok(ExitCode::SUCCESS)
}
