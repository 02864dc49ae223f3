//! The longest sessions as strips of block characters, one row a call.

use crate::terminal::{bold, dim, lines, printable, shortened};
use crate::words;
use atr_core::figure::units;
use atr_core::report::{StripRow, session_strips};
use atr_core::trace::{Mark, Session};

/// Most characters that the longest prompt takes, and what stands beside it; rows of one session.
const STRIP_CHARS: usize = 60;
const BESIDE_CHARS: usize = 30;
const STRIP_ROWS: usize = 24;

/// Draws the `count` longest sessions.
pub(super) fn text(sessions: &[Session], count: usize, block_tokens: u32, columns: usize) -> String {
    let mut longest: Vec<&Session> = sessions.iter().filter(|s| !s.has(Mark::Sessionless)).collect();
    longest.sort_by_key(|session| (std::cmp::Reverse(session.calls.len()), session.id.clone()));
    let mut text = String::new();
    for session in longest.into_iter().take(count) {
        let rows = session_strips(session, session.block_tokens.unwrap_or(block_tokens));
        let name = shortened(&printable(&session.id), columns - 20);
        text.push_str(&format!("\n{}, {}\n", bold(&name), words::count(rows.len() as u64, "call")));
        let legend = "█ sent before  ▒ computed  ▏output; one row a call, width in tokens";
        for line in lines(legend, columns) {
            text.push_str(&format!("{}\n", dim(&line)));
        }
        text.push_str(&draw(&rows, STRIP_CHARS.min(columns - BESIDE_CHARS)));
    }
    text
}

fn draw(rows: &[StripRow], width: usize) -> String {
    let most = rows.iter().map(|row| row.prompt_tokens).max().unwrap_or(0).max(1);
    let digits = rows.len().to_string().len();
    // Both ends of a long session are more telling than an even sample.
    let hidden = rows.len().saturating_sub(STRIP_ROWS);
    let gap = STRIP_ROWS / 2..STRIP_ROWS / 2 + hidden;
    let mut text = String::new();
    for (place, row) in rows.iter().enumerate() {
        if hidden > 0 && gap.contains(&place) {
            if place == gap.start {
                text.push_str(&format!("{:>digits$}  … {}\n", "", words::count(hidden as u64, "more call")));
            }
            continue;
        }
        let chars = |tokens: u64| ((tokens * width as u64 + most / 2) / most) as usize;
        let (cached, all) = (chars(row.cached_tokens), chars(row.prompt_tokens));
        let bar = "█".repeat(cached) + &"▒".repeat(all.saturating_sub(cached));
        let again = match row.again_tokens {
            0 => String::new(),
            again => format!("  {} again", units::short(again)),
        };
        text.push_str(&format!("{:>digits$}  {bar}▏{}{again}\n", place + 1, units::short(row.prompt_tokens)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{StripRow, draw};

    #[test]
    fn a_row_is_as_wide_as_its_prompt() {
        let row = |prompt_tokens, cached_tokens, again_tokens| StripRow {
            prompt_tokens,
            cached_tokens,
            again_tokens,
            ..StripRow::default()
        };
        let text = draw(&[row(500, 0, 0), row(1_000, 500, 0), row(1_000, 100, 900)], 60);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("1  {}▏500", "▒".repeat(30)));
        assert_eq!(lines[1], format!("2  {}{}▏1 k", "█".repeat(30), "▒".repeat(30)));
        assert_eq!(lines[2], format!("3  {}{}▏1 k  900 again", "█".repeat(6), "▒".repeat(54)));
    }

    #[test]
    fn long_sessions_show_both_ends() {
        let rows = vec![StripRow { prompt_tokens: 10, ..StripRow::default() }; 100];
        let text = draw(&rows, 60);
        assert_eq!(text.lines().count(), 25);
        assert!(text.contains("… 76 more calls"));
    }
}
