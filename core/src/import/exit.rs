//! How runs end, in one vocabulary for all harnesses.

use crate::trace::Ending;

/// What an exit status contains, and the category it falls into. The first that fits decides.
const CATEGORIES: &[(&[&str], &str)] = &[
    (&["exit_steps", "maximum iteration", "max_iterations", "max iterations", "step limit"], "exit_steps"),
    (&["cost", "limitsexceeded", "maximum budget"], "exit_cost"),
    (&["context"], "exit_context"),
    (&["timeout", "execution_time", "timeexceeded"], "exit_timeout"),
    (&["format"], "exit_format"),
    (&["forfeit"], "exit_forfeit"),
    (&["api"], "exit_api"),
    (&["environment"], "exit_environment"),
    (&["command"], "exit_command"),
    (&["error"], "exit_error"),
];

/// The ending that a harness's exit status stands for. `submitted (x)` submitted something, but the
/// category is that of `x`.
pub fn ending(status: &str) -> Ending {
    let status = status.trim().to_lowercase();
    let submitted = status.starts_with("submitted");
    let reason = match status.strip_prefix("submitted") {
        Some(rest) => rest.trim().trim_start_matches('(').trim_end_matches(')').trim(),
        None => status.as_str(),
    };
    let exit = match reason {
        "" if submitted => "submitted",
        "" => "unknown",
        reason => CATEGORIES
            .iter()
            .find(|(parts, _)| parts.iter().any(|part| reason.contains(part)))
            .map_or("other", |(_, category)| *category),
    };
    Ending { exit: exit.to_owned(), submitted, resolved: None, cost_usd: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_status_has_its_category() {
        let cases = [
            ("submitted", "submitted", true),
            ("Submitted", "submitted", true),
            ("submitted (exit_cost)", "exit_cost", true),
            ("submitted (exit_context)", "exit_context", true),
            ("exit_command_timeout", "exit_timeout", false),
            ("exit_total_execution_time", "exit_timeout", false),
            ("exit_environment_error", "exit_environment", false),
            ("exit_command", "exit_command", false),
            ("exit_format", "exit_format", false),
            ("exit_forfeit", "exit_forfeit", false),
            ("exit_api", "exit_api", false),
            ("exit_error", "exit_error", false),
            ("early_exit", "other", false),
            ("skipped", "other", false),
            ("exit_steps", "exit_steps", false),
            ("RuntimeError: Agent reached maximum iteration in headless mode", "exit_steps", false),
            ("RuntimeError: Agent reached maximum budget for conversation", "exit_cost", false),
            ("LimitsExceeded", "exit_cost", false),
            ("TimeExceeded", "exit_timeout", false),
            ("RepeatedFormatError", "exit_format", false),
            ("ContextWindowExceededError", "exit_context", false),
            ("UserInterruption", "other", false),
            ("", "unknown", false),
            ("  ", "unknown", false),
        ];
        for (status, exit, submitted) in cases {
            let found = ending(status);
            assert_eq!((found.exit.as_str(), found.submitted), (exit, submitted), "{status}");
        }
    }
}
