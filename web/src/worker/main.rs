//! The worker: holds the traces and computes on them, so that the page never waits. It makes no
//! request of its own; all that it knows, the page hands to it.

mod answer;
mod inspect;
mod store;
mod unpack;

use atr_core::report::SetRef;
use atr_web::protocol::{Envelope, Request, Response};
use std::cell::RefCell;
use std::rc::Rc;
use store::Store;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, DedicatedWorkerGlobalScope, MessageEvent};

fn main() {
    // The page hears of a crash through its error event; the console gets the reason.
    std::panic::set_hook(Box::new(|info| web_sys::console::error_1(&info.to_string().into())));
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let store = Rc::new(RefCell::new(Store::default()));
    let on_message = {
        let scope = scope.clone();
        Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            let store = store.clone();
            let scope = scope.clone();
            wasm_bindgen_futures::spawn_local(async move { receive(&scope, &store, &event.data()).await });
        })
    };
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    // Unasked, so that the page knows when the worker listens.
    post(&scope, 0, answer::hello());
}

/// A message is a pair: the text of an [`Envelope`], and the bytes that go with it or nothing.
async fn receive(scope: &DedicatedWorkerGlobalScope, store: &Rc<RefCell<Store>>, data: &JsValue) {
    let pair = js_sys::Array::from(data);
    let text = pair.get(0).as_string().unwrap_or_default();
    let Envelope { id, body } = match serde_json::from_str::<Envelope<Request>>(&text) {
        Ok(envelope) => envelope,
        Err(error) => {
            return post(
                scope,
                0,
                Response::Failed(format!("the page sent a message that the worker cannot read: {error}")),
            );
        }
    };
    let bytes = pair.get(1).dyn_into::<Blob>().ok();
    let response = match body {
        Request::Load { set, file } => match bytes {
            Some(blob) => load(scope, id, store, set, file, &blob).await,
            None => Response::Failed(format!("{file}: no bytes came with the request")),
        },
        other => answer::answer(&store.borrow(), other, &|| now(scope)),
    };
    post(scope, id, response);
}

async fn load(
    scope: &DedicatedWorkerGlobalScope,
    id: u32,
    store: &Rc<RefCell<Store>>,
    set: SetRef,
    file: String,
    blob: &Blob,
) -> Response {
    let start = now(scope);
    let progress = |done| post(scope, id, Response::Progress { stage: "reading".to_owned(), done });
    let unpack::Unpacked { bytes, broke_off } = match unpack::unpack(&file, blob, &progress).await {
        Ok(unpacked) => unpacked,
        Err(error) => return Response::Failed(error.to_string()),
    };
    post(scope, id, Response::Progress { stage: "parsing".to_owned(), done: bytes.len() as u64 });
    let mut held = match store::read(set.clone(), &file, &bytes) {
        Ok(held) => held,
        // What broke off explains more than what it left behind.
        Err(error) => {
            return Response::Failed(broke_off.map_or(error.to_string(), |why| why.to_string()));
        }
    };
    drop(bytes);
    if let Some(why) = broke_off {
        held.view.skipped.0 += 1;
        held.view.skipped.1.insert(0, why.to_string());
    }
    let mut view = held.view.clone();
    view.took_ms = now(scope) - start;
    store.borrow_mut().keep(set.name, held);
    Response::Set(view)
}

fn now(scope: &DedicatedWorkerGlobalScope) -> f64 {
    scope.performance().map_or(0.0, |clock| clock.now())
}

fn post(scope: &DedicatedWorkerGlobalScope, id: u32, body: Response) {
    let text = serde_json::to_string(&Envelope { id, body }).unwrap_or_else(|error| {
        format!(r#"{{"id":{id},"body":{{"Failed":"the answer cannot be written: {error}"}}}}"#)
    });
    // Fails only when the page is gone; then nobody is left to tell.
    let _ = scope.post_message(&JsValue::from_str(&text));
}
