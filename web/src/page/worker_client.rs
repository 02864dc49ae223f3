//! The page's side of the worker: requests with a deadline, answers by number. A worker that fails
//! or gives no sign of life is reported, and can be started again.

use super::dom;
use atr_web::protocol::{Envelope, Request, Response};
use futures_channel::oneshot;
use gloo_timers::callback::Interval;
use leptos::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, ErrorEvent, MessageEvent, Worker, WorkerOptions, WorkerType};

/// Where trunk puts the script that starts the worker.
pub(crate) const WORKER: &str = "./atr-worker_loader.js";
/// The same for the one that reads foreign files.
pub(crate) const READER: &str = "./atr-reader_loader.js";
/// The same for the one that advises.
pub(crate) const ADVISER: &str = "./atr-adviser_loader.js";
/// Longest silence of a worker that has something to do.
const SILENCE_MS: f64 = 30_000.0;
/// How often silence is looked for.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// How the worker does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WorkerStatus {
    /// Nobody needed it yet.
    Asleep,
    /// Not heard of yet.
    Starting,
    /// Listens.
    Ready,
    /// Does not: the text says why.
    Trouble(String),
}

/// Why a request has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// The worker says so.
    #[error("{0}")]
    Refused(String),
    /// The worker is gone.
    #[error("the worker stopped before it answered")]
    Gone,
}

/// Hears what is being done and how many bytes of it are done.
pub(crate) type OnProgress = Box<dyn Fn(&str, u64)>;
/// A function that the browser calls.
type Handler = Closure<dyn FnMut(JsValue)>;

struct Pending {
    answer: oneshot::Sender<(Response, Option<Blob>)>,
    progress: Option<OnProgress>,
}

#[derive(Default)]
struct Inner {
    worker: RefCell<Option<Worker>>,
    pending: RefCell<BTreeMap<u32, Pending>>,
    /// Messages that wait for the worker to listen.
    waiting: RefCell<Vec<js_sys::Array>>,
    next: Cell<u32>,
    last_sign_ms: Cell<f64>,
    handlers: RefCell<Vec<Handler>>,
}

/// A handle that can be copied everywhere.
#[derive(Clone, Copy)]
pub(crate) struct WorkerClient {
    inner: StoredValue<Rc<Inner>, LocalStorage>,
    /// How the worker does.
    pub(crate) status: RwSignal<WorkerStatus>,
    loader: &'static str,
    /// Grows with each start: whoever gave the worker something must give it again.
    pub(crate) generation: RwSignal<u32>,
}

impl WorkerClient {
    /// A worker that starts with the first request.
    pub(crate) fn asleep(loader: &'static str) -> Self {
        let client = WorkerClient {
            inner: StoredValue::new_local(Rc::new(Inner::default())),
            status: RwSignal::new(WorkerStatus::Asleep),
            loader,
            generation: RwSignal::new(0),
        };
        // The client lives as long as the page, and so does its clock.
        Interval::new(CHECK_EVERY.as_millis() as u32, move || client.check()).forget();
        client
    }

    /// Starts it unless it is there.
    pub(crate) fn wake(self) {
        if self.status.get_untracked() == WorkerStatus::Asleep {
            self.status.set(WorkerStatus::Starting);
            self.spawn();
        }
    }

    /// Ends the worker and starts another.
    pub(crate) fn restart(self) {
        self.give_up();
        self.status.set(WorkerStatus::Starting);
        self.spawn();
        self.generation.update(|number| *number += 1);
    }

    /// Ends the worker in the middle of its work; the next request starts another.
    pub(crate) fn stop(self) {
        self.give_up();
        self.status.set(WorkerStatus::Asleep);
    }

    /// Asks.
    pub(crate) async fn ask(self, request: Request) -> Result<Response, AskError> {
        self.ask_with(request, Vec::new(), None).await.map(|(response, _)| response)
    }

    /// Asks with files beside the request, and hears how far it has come. A file may come back.
    pub(crate) async fn ask_with(
        self,
        request: Request,
        files: Vec<Blob>,
        progress: Option<OnProgress>,
    ) -> Result<(Response, Option<Blob>), AskError> {
        self.wake();
        let inner = self.inner.get_value();
        let id = inner.next.get() + 1;
        inner.next.set(id);
        let text = serde_json::to_string(&Envelope { id, body: request }).map_err(|_| AskError::Gone)?;
        let files: js_sys::Array = files.into_iter().collect();
        let message = js_sys::Array::of2(&text.into(), &files);
        let (answer, reply) = oneshot::channel();
        if inner.pending.borrow().is_empty() {
            inner.last_sign_ms.set(dom::now_ms());
        }
        inner.pending.borrow_mut().insert(id, Pending { answer, progress });
        match (self.status.get_untracked(), inner.worker.borrow().as_ref()) {
            (WorkerStatus::Ready, Some(worker)) => {
                worker.post_message(&message).map_err(|_| AskError::Gone)?;
            }
            (WorkerStatus::Trouble(_), _) => {
                inner.pending.borrow_mut().remove(&id);
                return Err(AskError::Gone);
            }
            _ => inner.waiting.borrow_mut().push(message),
        }
        match reply.await {
            Ok((Response::Failed(why), _)) => Err(AskError::Refused(why)),
            Ok(response) => Ok(response),
            Err(_) => Err(AskError::Gone),
        }
    }

    fn spawn(self) {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = match Worker::new_with_options(self.loader, &options) {
            Ok(worker) => worker,
            Err(_) => return self.trouble("this browser cannot start the worker that computes the figures"),
        };
        let inner = self.inner.get_value();
        let on_message = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
            self.receive(&event.unchecked_into::<MessageEvent>().data());
        });
        let on_error = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
            let why = event.dyn_ref::<ErrorEvent>().map(ErrorEvent::message).unwrap_or_default();
            self.trouble(if why.is_empty() { "the worker's program could not be loaded" } else { &why });
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        *inner.handlers.borrow_mut() = vec![on_message, on_error];
        inner.last_sign_ms.set(dom::now_ms());
        *inner.worker.borrow_mut() = Some(worker);
    }

    fn receive(self, data: &JsValue) {
        let inner = self.inner.get_value();
        inner.last_sign_ms.set(dom::now_ms());
        let pair = js_sys::Array::from(data);
        let text = pair.get(0).as_string().unwrap_or_default();
        match serde_json::from_str::<Envelope<Response>>(&text) {
            Ok(Envelope { id: 0, body: Response::Hello { build } }) => self.greet(&build),
            Ok(Envelope { id, body: Response::Progress { stage, done } }) => {
                if let Some(progress) = inner.pending.borrow().get(&id).and_then(|one| one.progress.as_ref())
                {
                    progress(&stage, done);
                }
            }
            Ok(Envelope { id, body }) => {
                let pending = inner.pending.borrow_mut().remove(&id);
                if let Some(pending) = pending {
                    // Nobody listens any more where the section that asked is gone.
                    let _ = pending.answer.send((body, pair.get(1).dyn_into().ok()));
                }
            }
            Err(error) => self.trouble(&format!("the worker's answer cannot be read: {error}")),
        }
    }

    fn greet(self, build: &str) {
        if build != atr_web::BUILD {
            return self
                .trouble("page and worker come from different builds; reload the page without its cache");
        }
        let inner = self.inner.get_value();
        self.status.set(WorkerStatus::Ready);
        let waiting: Vec<js_sys::Array> = inner.waiting.borrow_mut().drain(..).collect();
        if let Some(worker) = inner.worker.borrow().as_ref() {
            for message in waiting {
                if worker.post_message(&message).is_err() {
                    return self.trouble("the browser could not hand the data to the worker");
                }
            }
        }
    }

    fn check(self) {
        let inner = self.inner.get_value();
        let busy = !inner.pending.borrow().is_empty();
        let silent = dom::now_ms() - inner.last_sign_ms.get();
        if busy && silent > SILENCE_MS && !matches!(self.status.get_untracked(), WorkerStatus::Trouble(_)) {
            let seconds = (SILENCE_MS / 1e3).round();
            self.trouble(&format!("the worker has given no sign of life for {seconds} seconds"));
        }
    }

    fn trouble(self, why: &str) {
        self.give_up();
        self.status.set(WorkerStatus::Trouble(why.to_owned()));
    }

    fn give_up(self) {
        let inner = self.inner.get_value();
        if let Some(worker) = inner.worker.borrow_mut().take() {
            worker.terminate();
        }
        inner.waiting.borrow_mut().clear();
        // Dropping the senders tells everybody who waits.
        inner.pending.borrow_mut().clear();
    }
}
