//! The command line: raw words become a checked [`Command`] before any work starts.

use std::path::PathBuf;

/// Where `paper` and `serve` listen unless told otherwise.
pub(crate) const DEFAULT_PORT: u16 = 8080;

/// How long one target is fuzzed unless told otherwise.
pub(crate) const DEFAULT_FUZZ_SECONDS: u64 = 60;

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
    BenchImports,
    BenchPeer,
    BenchSimulate { plot: Option<PathBuf> },
    BenchStream { gigabytes: u64 },
    Fuzz { what: Option<String>, seconds: u64 },
    Kernels,
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
        "bench" => match rest.word().as_deref() {
            None => Command::Bench { browser: !rest.flag("--no-browser") },
            Some("imports") => Command::BenchImports,
            Some("peer") => Command::BenchPeer,
            Some("simulate") => {
                Command::BenchSimulate { plot: rest.value("--plot", "a folder")?.map(PathBuf::from) }
            }
            Some("stream") => Command::BenchStream { gigabytes: rest.number("--gb")?.unwrap_or(1) },
            Some(other) => return Err(format!("`bench` does not take `{other}`")),
        },
        "fuzz" => {
            let seconds = rest.number("--seconds")?.unwrap_or(DEFAULT_FUZZ_SECONDS);
            Command::Fuzz { what: rest.word(), seconds }
        }
        "kernels" => Command::Kernels,
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
        let Some(port) = self.number("--port")? else { return Ok(DEFAULT_PORT) };
        port.try_into().map_err(|_| format!("`--port` expects a number up to {}, found `{port}`", u16::MAX))
    }

    /// The number behind the word `name`, where that is there.
    fn number(&mut self, name: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.value(name, "a number")? else { return Ok(None) };
        value.parse().map(Some).map_err(|_| format!("`{name}` expects a whole number, found `{value}`"))
    }

    /// What stands behind the word `name`, where that is there.
    fn value(&mut self, name: &str, expected: &str) -> Result<Option<String>, String> {
        let Some(at) = self.words.iter().position(|word| word == name) else { return Ok(None) };
        self.words.remove(at);
        if at == self.words.len() {
            return Err(format!("`{name}` expects {expected}, found nothing"));
        }
        Ok(Some(self.words.remove(at)))
    }

    /// The first word that is no option.
    fn word(&mut self) -> Option<String> {
        let at = self.words.iter().position(|word| !word.starts_with('-'))?;
        Some(self.words.remove(at))
    }

    fn operand(&mut self, name: &str) -> Result<String, String> {
        self.word().ok_or_else(|| format!("`{}` expects {name}, found nothing", self.command))
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
        assert_eq!(read("bench --no-browser"), Ok(Command::Bench { browser: false }));
        assert_eq!(read("bench imports"), Ok(Command::BenchImports));
        assert_eq!(read("bench simulate"), Ok(Command::BenchSimulate { plot: None }));
        assert_eq!(
            read("bench simulate --plot docs"),
            Ok(Command::BenchSimulate { plot: Some("docs".into()) })
        );
        assert_eq!(read("bench peer"), Ok(Command::BenchPeer));
        assert_eq!(read("bench stream --gb 10"), Ok(Command::BenchStream { gigabytes: 10 }));
        assert_eq!(
            read("fuzz --seconds 5 mooncake"),
            Ok(Command::Fuzz { what: Some("mooncake".into()), seconds: 5 })
        );
        assert_eq!(read("fuzz"), Ok(Command::Fuzz { what: None, seconds: DEFAULT_FUZZ_SECONDS }));
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
        assert_eq!(read("bench simulate --plot"), Err("`--plot` expects a folder, found nothing".into()));
        assert_eq!(read("bench steam"), Err("`bench` does not take `steam`".into()));
        assert_eq!(read("bench stream --gb x"), Err("`--gb` expects a whole number, found `x`".into()));
        assert_eq!(read("data"), Err("`data` expects DIR, found nothing".into()));
        assert_eq!(read("test --no-brwser"), Err("`test` does not take `--no-brwser`".into()));
        assert_eq!(read("site now"), Err("`site` does not take `now`".into()));
    }
}
