//! Speed and size figures, each beside its budget and its peer's figure.
use crate::shell::Shell;
pub(crate) fn run(_shell: &Shell, _browser: bool) -> anyhow::Result<()> {
    Ok(())
}
