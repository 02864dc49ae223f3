//! Output-length predictors: from metadata only, never from text. One file each; the registry lists them.

mod constant;
mod mlp;
mod per_growth;
mod per_key;
mod per_session;
mod window;

pub use per_key::PerKeyQuantile;

use crate::choice::{self, About, Choice, Param};
use dyn_clone::DynClone;

/// What a predictor may know of a call before it is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// What the model was told last: the tool answered, else the kind of message.
    pub key: u32,
    /// Index of the session.
    pub session: u32,
    /// Length of the prompt.
    pub prompt_tokens: u32,
    /// What of it the model is told anew: the tokens behind its own last message.
    pub new_tokens: u32,
    /// The cap that the client asks for.
    pub max_tokens: u32,
}

/// Learns lengths as calls end, and predicts them as calls arrive.
pub trait Predictor: DynClone {
    /// Expected output of a call of this kind; `None` before anything is known.
    fn predict(&self, kind: &Kind) -> Option<u64>;
    /// A call of this kind ended with so many tokens.
    fn observe(&mut self, kind: &Kind, output_tokens: u64);
}

dyn_clone::clone_trait_object!(Predictor);

const COVERED: Param = Param {
    key: "percent",
    about: "share of calls whose prediction shall not be exceeded",
    default: 90.0,
    whole: true,
    range: (1.0, 100.0),
};

/// All predictors.
pub const PREDICTORS: &[About] =
    &[per_key::ABOUT, per_session::ABOUT, per_growth::ABOUT, mlp::ABOUT, constant::ABOUT];

/// Makes a predictor for calls of so many keys and sessions.
pub fn make(choice: &Choice, keys: usize, sessions: usize) -> Box<dyn Predictor> {
    match choice.name() {
        "per-session" => Box::new(per_session::PerSession::new(sessions, choice)),
        "per-growth" => Box::new(per_growth::PerGrowth::new(keys, sessions, choice)),
        "mlp" => Box::new(mlp::Mlp::new(keys, sessions, choice)),
        "constant" => Box::new(constant::Constant::new(choice)),
        _ => Box::new(PerKeyQuantile::new(keys, choice.whole("percent") as usize)),
    }
}

/// The accepted names, for help texts and errors.
pub fn known() -> String {
    choice::known(PREDICTORS)
}
