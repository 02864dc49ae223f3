//! Advice on a page of text: a heading, tables and a few sentences for each question.

use crate::table::Table;
use crate::terminal::{bold, lines, pairs};
use atr_core::advise::{Advice, Block, parts};

/// All of it.
pub(super) fn text(advice: &Advice, columns: usize) -> String {
    let part = |part: atr_core::advise::Part| {
        let blocks: String = part.blocks.into_iter().map(|block| written(block, columns)).collect();
        format!("{}\n{blocks}", bold(part.title))
    };
    parts(advice).into_iter().map(part).collect::<Vec<_>>().join("\n")
}

fn written(block: Block, columns: usize) -> String {
    match block {
        Block::Say(text) => paragraph(&text, columns),
        Block::Warn(text) => bold(paragraph(&format!("! {text}"), columns).trim_end()) + "\n",
        Block::Table { heads, rows } => {
            let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
            let mut table = Table::new(&heads);
            rows.into_iter().for_each(|row| table.row(row));
            table.render()
        }
        Block::Flags { title, flags } => {
            let row = |(flag, sets)| pairs(&[("  ", format!("{flag}: {sets}"))], columns);
            format!("{title}\n{}", flags.into_iter().map(row).collect::<String>())
        }
    }
}

fn paragraph(text: &str, columns: usize) -> String {
    lines(text, columns).join("\n") + "\n"
}
