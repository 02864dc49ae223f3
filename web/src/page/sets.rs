//! The sets of traces: fetched when somebody needs one, handed to the worker once, listed here.

use super::fetch;
use super::worker_client::{OnProgress, WorkerClient, WorkerStatus};
use atr_core::report::SetRef;
use atr_web::catalogue::{DataIndex, SetEntry};
use atr_web::protocol::{Request, Response, SetView};
use atr_web::words;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::collections::BTreeMap;
use std::sync::Arc;
use web_sys::Blob;

/// The name under which the reader's own file is kept.
pub(crate) const OWN: &str = "your-trace";

/// How far a set is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SetState {
    /// On its way.
    Loading {
        /// What is being done.
        stage: String,
        /// Bytes done.
        done: u64,
        /// Bytes in all, where known.
        total: u64,
    },
    /// The worker holds it.
    Ready(Arc<SetView>),
    /// It did not come; the text says why.
    Failed(String),
}

/// A set as it goes to a worker: what results call it, and its file, packed where it was fetched packed.
#[derive(Clone)]
struct Packed {
    set: SetRef,
    file: String,
    blob: Blob,
}

/// All sets by name.
#[derive(Clone, Copy)]
pub(crate) struct Sets {
    states: RwSignal<BTreeMap<String, SetState>>,
    worker: WorkerClient,
    reader: WorkerClient,
    data: RwSignal<DataIndex>,
    /// What was fetched, and what the reader made of the own files, for the next worker that needs it: bundled sets
    /// are a few megabytes packed, and the browser keeps a blob once however many hold it.
    files: StoredValue<BTreeMap<String, Packed>, LocalStorage>,
}

impl Sets {
    /// None yet. Forgets what a worker held when another takes its place.
    pub(crate) fn new(worker: WorkerClient, reader: WorkerClient, data: RwSignal<DataIndex>) -> Self {
        let files = StoredValue::new_local(BTreeMap::new());
        let sets = Sets { states: RwSignal::new(BTreeMap::new()), worker, reader, data, files };
        Effect::new(move |before: Option<u32>| {
            let generation = worker.generation.get();
            if before.is_some_and(|before| before != generation) {
                sets.states.update(BTreeMap::clear);
            }
            generation
        });
        sets
    }

    /// How far a set is; `None` if nobody asked for it.
    pub(crate) fn state(self, name: &str) -> Option<SetState> {
        self.states.with(|states| states.get(name).cloned())
    }

    /// A set that is there.
    pub(crate) fn ready(self, name: &str) -> Option<Arc<SetView>> {
        self.states.with(|states| match states.get(name) {
            Some(SetState::Ready(view)) => Some(view.clone()),
            _ => None,
        })
    }

    /// Makes sure that a bundled set is there or on its way.
    pub(crate) fn ensure(self, entry: SetEntry) {
        if self.states.with_untracked(|states| states.contains_key(&entry.name)) {
            return;
        }
        let (name, total) = (entry.name.clone(), entry.bytes);
        let progress = {
            let name = name.clone();
            move |done| self.put(&name, SetState::Loading { stage: "fetching".to_owned(), done, total })
        };
        progress(0);
        spawn_local(async move {
            let state = match self.packed(&name, &progress).await {
                Ok(Packed { set, file, blob }) => {
                    let shown = Some(self.shown(&name));
                    hand_over(self.worker, set, vec![(file, blob)], false, shown).await.map(|(view, _)| view)
                }
                Err(why) => Err(why),
            };
            self.settle(&name, state);
        });
    }

    /// Forgets a failed set and its file, so that it can be asked for again.
    pub(crate) fn forget(self, name: &str) {
        self.files.update_value(|files| {
            files.remove(name);
        });
        self.states.update(|states| {
            states.remove(name);
        });
    }

    /// Gives the worker files that the reader chose, each with its name and those of its folders.
    pub(crate) fn read_own(self, files: Vec<(String, Blob)>) {
        self.put(OWN, SetState::Loading { stage: "reading".to_owned(), done: 0, total: 0 });
        let (title, path) = called(&files);
        let set = SetRef { name: OWN.to_owned(), title, path };
        if matches!(self.reader.status.get_untracked(), WorkerStatus::Trouble(_)) {
            self.reader.restart();
        }
        spawn_local(async move {
            let shown = Some(self.shown(OWN));
            let state = match hand_over(self.reader, set.clone(), files, true, shown).await {
                Ok((read, Some(sessions))) => self.pass_on(set, read, sessions).await,
                Ok((_, None)) => Err("the sessions could not be handed on".to_owned()),
                Err(why) => Err(why),
            };
            self.settle(OWN, state);
        });
    }

    /// Gives a set to another worker.
    pub(crate) async fn lend(self, name: &str, to: WorkerClient) -> Result<(), String> {
        if matches!(to.status.get_untracked(), WorkerStatus::Trouble(_)) {
            to.stop();
        }
        let Packed { set, file, blob } = self.packed(name, &|_| ()).await?;
        hand_over(to, set, vec![(file, blob)], false, None).await.map(drop)
    }

    /// Gives what the reader read to the worker. What the files were, only the reader knows.
    async fn pass_on(self, set: SetRef, read: SetView, sessions: Blob) -> Result<SetView, String> {
        let file = read.file.clone();
        self.keep(Packed { set: set.clone(), file: file.clone(), blob: sessions.clone() });
        let shown = Some(self.shown(OWN));
        let (held, _) = hand_over(self.worker, set, vec![(file, sessions)], false, shown).await?;
        Ok(SetView { sessions: held.sessions, ..read })
    }

    /// A set's file: the one that is kept, else fetched.
    async fn packed(self, name: &str, progress: &dyn Fn(u64)) -> Result<Packed, String> {
        if let Some(kept) = self.files.with_value(|files| files.get(name).cloned()) {
            return Ok(kept);
        }
        let entry = self.data.with_untracked(|data| data.set(name).cloned());
        let entry = entry.ok_or_else(|| format!("the set `{name}` is not there"))?;
        let path = entry.path();
        let blob = fetch::blob(&path, progress).await.map_err(|error| error.to_string())?;
        let packed =
            Packed { set: SetRef { name: entry.name, path, title: entry.title }, file: entry.file, blob };
        self.keep(packed.clone());
        Ok(packed)
    }

    fn keep(self, packed: Packed) {
        self.files.update_value(|files| {
            files.insert(packed.set.name.clone(), packed);
        });
    }

    /// Shows how far a worker has come with a set.
    fn shown(self, name: &str) -> OnProgress {
        let name = name.to_owned();
        Box::new(move |stage, done| {
            self.put(&name, SetState::Loading { stage: stage.to_owned(), done, total: 0 });
        })
    }

    fn settle(self, name: &str, state: Result<SetView, String>) {
        self.put(name, state.map_or_else(SetState::Failed, |view| SetState::Ready(Arc::new(view))));
    }

    fn put(self, name: &str, state: SetState) {
        self.states.update(|states| {
            states.insert(name.to_owned(), state);
        });
    }
}

/// Gives files to a worker as one set; says what it holds, and what the reader hands on.
async fn hand_over(
    to: WorkerClient,
    set: SetRef,
    files: Vec<(String, Blob)>,
    keep_text: bool,
    progress: Option<OnProgress>,
) -> Result<(SetView, Option<Blob>), String> {
    let (files, blobs) = files.into_iter().unzip();
    let request = Request::Load { set, files, keep_text };
    match to.ask_with(request, blobs, progress).await {
        Ok((Response::Set(view), blob)) => Ok((view, blob)),
        Ok(_) => Err("the worker answered something else".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Names that are listed before files are only counted.
const MOST_NAMES: usize = 3;

/// What several files are called, and how the command line would name them.
fn called(files: &[(String, Blob)]) -> (String, String) {
    let folder = |name: &str| name.split_once('/').map(|(folder, _)| folder.to_owned());
    let first = files.first().and_then(|(name, _)| folder(name));
    let count = words::plural(files.len() as u64, "file");
    match first.filter(|first| files.iter().all(|(name, _)| folder(name).as_ref() == Some(first))) {
        Some(folder) => (format!("{folder}/ ({count})"), folder),
        None if files.len() <= MOST_NAMES => {
            let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
            (names.join(", "), names.join(" "))
        }
        None => (count, "FILES".to_owned()),
    }
}
