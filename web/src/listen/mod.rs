//! A worker's side of the conversation: requests in, files unpacked and read, answers out. It makes no
//! request of its own; all that it knows, the page hands to it.

mod unpack;

use crate::held::{Detect, Held, Reading, Store};
use crate::protocol::{Envelope, Request, Response};
use atr_core::trace::ndjson::{self, Header};
use std::cell::RefCell;
use std::rc::Rc;
use unpack::{Unpacked, unpack};
use wasm_bindgen::prelude::*;
use web_sys::{Blob, DedicatedWorkerGlobalScope, MessageEvent};

/// What tells one worker from another.
#[derive(Clone, Copy)]
pub struct Program {
    /// Finds the importer of a file.
    pub detect: Detect,
    /// Whether sessions that were read go back to the page, as a file of our own.
    pub hands_on: bool,
    /// Answers the requests that need no waiting.
    pub answer: fn(&Store, Request, &Hands<'_>) -> Response,
}

/// What an answer may use of the browser.
pub struct Hands<'a> {
    /// A clock in milliseconds.
    pub now: &'a dyn Fn() -> f64,
    /// Tells the page how far a long answer is: what is being done, and how much is done.
    pub tell: &'a dyn Fn(&str, u64),
}

/// Listens for as long as the page lives.
pub fn listen(program: Program) {
    // The page hears of a crash through its error event; the console gets the reason.
    std::panic::set_hook(Box::new(|info| web_sys::console::error_1(&info.to_string().into())));
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let store = Rc::new(RefCell::new(Store::default()));
    let on_message = {
        let scope = scope.clone();
        Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            let store = store.clone();
            let scope = scope.clone();
            wasm_bindgen_futures::spawn_local(async move {
                receive(&scope, program, &store, &event.data()).await;
            });
        })
    };
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    // Unasked, so that the page knows when the worker listens.
    post(&scope, 0, Response::Hello { build: crate::BUILD.to_owned() }, None);
}

/// A message is a pair: the text of an [`Envelope`], and a list of the files that go with it.
async fn receive(
    scope: &DedicatedWorkerGlobalScope,
    program: Program,
    store: &Rc<RefCell<Store>>,
    data: &JsValue,
) {
    let pair = js_sys::Array::from(data);
    let text = pair.get(0).as_string().unwrap_or_default();
    let Envelope { id, body } = match serde_json::from_str::<Envelope<Request>>(&text) {
        Ok(envelope) => envelope,
        Err(error) => {
            return post(
                scope,
                0,
                Response::Failed(format!("the page sent a message that the worker cannot read: {error}")),
                None,
            );
        }
    };
    let blobs: Vec<Blob> =
        js_sys::Array::from(&pair.get(1)).iter().filter_map(|one| one.dyn_into().ok()).collect();
    let response = match body {
        Request::Load { set, files, keep_text } => {
            let reading = Reading::new(set, program.detect, keep_text);
            let hand_on = program.hands_on;
            load(scope, id, store, reading, hand_on, files.iter().zip(&blobs)).await
        }
        other => {
            let tell = |stage: &str, done| {
                post(scope, id, Response::Progress { stage: stage.to_owned(), done }, None);
            };
            ((program.answer)(&store.borrow(), other, &Hands { now: &|| now(scope), tell: &tell }), None)
        }
    };
    post(scope, id, response.0, response.1.as_ref());
}

async fn load(
    scope: &DedicatedWorkerGlobalScope,
    id: u32,
    store: &Rc<RefCell<Store>>,
    mut reading: Reading,
    hand_on: bool,
    files: impl Iterator<Item = (&String, &Blob)>,
) -> (Response, Option<Blob>) {
    let start = now(scope);
    for (file, blob) in files {
        let before = reading.bytes();
        let progress = |done| {
            post(scope, id, Response::Progress { stage: "reading".to_owned(), done: before + done }, None);
        };
        let Unpacked { bytes, broke_off } = match unpack(file, blob, before, &progress).await {
            Ok(unpacked) => unpacked,
            Err(error) => {
                reading.fail(error.to_string());
                continue;
            }
        };
        let done = before + bytes.len() as u64;
        post(scope, id, Response::Progress { stage: "parsing".to_owned(), done }, None);
        let read = reading.add(file, &bytes);
        // What broke off explains more than what it left behind.
        let why = broke_off.map(|why| why.to_string()).or(read.err().map(|why| why.to_string()));
        why.into_iter().for_each(|why| reading.fail(why));
    }
    let mut held = match reading.finish() {
        Ok(held) => held,
        Err(why) => return (Response::Failed(why), None),
    };
    held.view.took_ms = now(scope) - start;
    let blob = if hand_on { ndjson(&held) } else { None };
    let view = held.view.clone();
    store.borrow_mut().keep(view.set.clone(), held);
    (Response::Set(view), blob)
}

/// The sessions as a file of our own, which the other worker reads.
fn ndjson(held: &Held) -> Option<Blob> {
    let mut bytes = Vec::new();
    ndjson::write(&mut bytes, &Header::named(&held.set.name), &held.sessions).ok()?;
    let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(bytes.as_slice()));
    Blob::new_with_u8_array_sequence(&parts).ok()
}

fn now(scope: &DedicatedWorkerGlobalScope) -> f64 {
    scope.performance().map_or(0.0, |clock| clock.now())
}

/// An answer is a pair too: its text, and the file that goes with it or nothing.
fn post(scope: &DedicatedWorkerGlobalScope, id: u32, body: Response, file: Option<&Blob>) {
    let text = serde_json::to_string(&Envelope { id, body }).unwrap_or_else(|error| {
        format!(r#"{{"id":{id},"body":{{"Failed":"the answer cannot be written: {error}"}}}}"#)
    });
    // Fails only when the page is gone; then nobody is left to tell.
    let file = file.map_or(JsValue::NULL, |file| file.clone().into());
    let _ = scope.post_message(&js_sys::Array::of2(&text.into(), &file));
}
