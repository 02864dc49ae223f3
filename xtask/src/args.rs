//! The command line: raw words become a checked [`Command`] before any work starts.

use std::path::PathBuf;

/// Where `paper` and `serve` listen unless told otherwise.
pub(crate) const DEFAULT_PORT: u16 = 8080;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Paper { port: u16 },
    Site,
    Test { browser: bool, keep_going: bool },
    Tidy,
    Tools { browser: bool },
    Bench { browser: bool },
    Data { raw: PathBuf },
    Reports { check: bool },
    Serve { port: u16 },
}

/// Reads the words after `cargo xtask`.
///
/// # Errors
/// A sentence that names the word that does not fit.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut words = words.into_iter();
    let name = words.next().unwrap_or_else(|| "help".to_owned());
    let mut rest = Rest { command: name.clone(), words: words.collect() };
    let command = match name.as_str() {
        "help" | "--help" | "-h" => Command::Help,
        "paper" => Command::Paper { port: rest.port()? },
        "site" => Command::Site,
        "test" => {
            Command::Test { browser: !rest.flag("--no-browser"), keep_going: rest.flag("--keep-going") }
        }
        "tidy" => Command::Tidy,
        "tools" => Command::Tools { browser: !rest.flag("--no-browser") },
        "bench" => Command::Bench { browser: !rest.flag("--no-browser") },
        "data" => Command::Data { raw: PathBuf::from(rest.operand("DIR")?) },
        "reports" => Command::Reports { check: rest.flag("--check") },
        "serve" => Command::Serve { port: rest.port()? },
        other => return Err(format!("unknown command `{other}`")),
    };
    rest.nothing_left()?;
    Ok(command)
}

/// The words after the command's name; each reader takes its own out.
struct Rest {
    command: String,
    words: Vec<String>,
}

impl Rest {
    fn flag(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|word| word != name);
        self.words.len() < before
    }

    fn port(&mut self) -> Result<u16, String> {
        let Some(at) = self.words.iter().position(|word| word == "--port") else { return Ok(DEFAULT_PORT) };
        self.words.remove(at);
        if at == self.words.len() {
            return Err("`--port` expects a number, found nothing".to_owned());
        }
        let value = self.words.remove(at);
        value.parse().map_err(|_| format!("`--port` expects a number up to {}, found `{value}`", u16::MAX))
    }

    fn operand(&mut self, name: &str) -> Result<String, String> {
        match self.words.iter().position(|word| !word.starts_with('-')) {
            Some(at) => Ok(self.words.remove(at)),
            None => Err(format!("`{}` expects {name}, found nothing", self.command)),
        }
    }

    fn nothing_left(&self) -> Result<(), String> {
        match self.words.first() {
            None => Ok(()),
            Some(word) => Err(format!("`{}` does not take `{word}`", self.command)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn reads_commands_with_their_options() {
        assert_eq!(read("paper"), Ok(Command::Paper { port: DEFAULT_PORT }));
        assert_eq!(read("paper --port 9000"), Ok(Command::Paper { port: 9000 }));
        assert_eq!(read("test"), Ok(Command::Test { browser: true, keep_going: false }));
        assert_eq!(
            read("test --keep-going --no-browser"),
            Ok(Command::Test { browser: false, keep_going: true })
        );
        assert_eq!(read("data some/dir"), Ok(Command::Data { raw: "some/dir".into() }));
        assert_eq!(read("reports --check"), Ok(Command::Reports { check: true }));
        assert_eq!(read(""), Ok(Command::Help));
    }

    #[test]
    fn names_the_word_that_does_not_fit() {
        assert_eq!(read("pper"), Err("unknown command `pper`".into()));
        assert_eq!(
            read("paper --port 99999"),
            Err("`--port` expects a number up to 65535, found `99999`".into())
        );
        assert_eq!(read("paper --port"), Err("`--port` expects a number, found nothing".into()));
        assert_eq!(read("data"), Err("`data` expects DIR, found nothing".into()));
        assert_eq!(read("test --no-brwser"), Err("`test` does not take `--no-brwser`".into()));
        assert_eq!(read("site now"), Err("`site` does not take `now`".into()));
    }
}
