//! The adviser: simulates what advice rests on. A program of its own, so that it can be ended in the middle of its work and
//! the other worker goes on answering. Started when advice is asked for.

use atr_core::advise::{self, Options, Search};
use atr_core::metrics::objective::goals;
use atr_core::policy::Scenario;
use atr_web::advice::html;
use atr_web::held::{Store, detect_own};
use atr_web::listen::{Hands, Program, listen};
use atr_web::protocol::{Request, Response};

fn main() {
    listen(Program { detect: detect_own, hands_on: false, answer });
}

fn answer(store: &Store, request: Request, hands: &Hands<'_>) -> Response {
    let Request::Advise { set, scenario, objectives, max_calls } = request else {
        return Response::Failed("this worker only advises".to_owned());
    };
    match advised(store, &set, scenario, &objectives, max_calls, hands) {
        Ok(html) => Response::Text(html),
        Err(why) => Response::Failed(why),
    }
}

fn advised(
    store: &Store,
    set: &str,
    scenario: Scenario,
    must_hold: &str,
    max_calls: u64,
    hands: &Hands<'_>,
) -> Result<String, String> {
    let held = store.set(set).ok_or_else(|| format!("the set `{set}` is not loaded"))?;
    let objectives = match must_hold.trim() {
        "" => Vec::new(),
        text => goals(text).map_err(|error| error.to_string())?,
    };
    let options = Options { scenario, objectives, search: Search::default(), sample_calls: max_calls };
    let advice = advise::run(&held.sessions, &options, &mut |what, done| (hands.tell)(what, done));
    advice.map(|advice| html(&advise::parts(&advice))).map_err(|error| error.to_string())
}
