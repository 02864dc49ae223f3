//! The files that a reader drops or chooses, folders walked through, in name order.

use js_sys::{Array, Promise};
use std::collections::VecDeque;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, DataTransfer, File, FileList, FileSystemDirectoryEntry, FileSystemDirectoryReader, FileSystemEntry,
    FileSystemFileEntry,
};

/// Most files that are read at once.
pub(crate) const MAX_FILES: usize = 2_000;

/// A file with its name, those of its folders before it.
pub(crate) type Named = (String, Blob);

/// What is dropped: to be asked for within the event, for a browser forgets it afterwards.
pub(crate) struct Dropped {
    entries: Vec<FileSystemEntry>,
    plain: Vec<Named>,
}

impl Dropped {
    /// Of an event. Folders are known as such only where the browser gives entries.
    pub(crate) fn of(data: &DataTransfer) -> Self {
        let items = data.items();
        let items = (0..items.length()).filter_map(|place| items.get(place));
        let entries: Vec<FileSystemEntry> =
            items.filter_map(|item| item.webkit_get_as_entry().ok().flatten()).collect();
        let plain = if entries.is_empty() { listed(data.files()) } else { Vec::new() };
        Dropped { entries, plain }
    }

    /// Whether there is anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.plain.is_empty()
    }

    /// All files, at most [`MAX_FILES`], in the order of their names.
    pub(crate) async fn files(self) -> Vec<Named> {
        let mut files = self.plain;
        let mut waiting: VecDeque<FileSystemEntry> = self.entries.into();
        while let Some(entry) = waiting.pop_front() {
            if files.len() >= MAX_FILES {
                break;
            }
            // Not every browser has the two kinds as classes of these names.
            if entry.is_directory() {
                let folder: &FileSystemDirectoryEntry = entry.unchecked_ref();
                waiting.extend(inside(&folder.create_reader()).await);
            } else {
                let name = entry.full_path();
                let file = file(entry.unchecked_ref()).await;
                files.extend(file.map(|file| (name.trim_start_matches('/').to_owned(), file.into())));
            }
        }
        in_order(files)
    }
}

/// Files that were chosen, in the order of their names.
pub(crate) fn chosen(files: Option<FileList>) -> Vec<Named> {
    let mut files = in_order(listed(files));
    files.truncate(MAX_FILES);
    files
}

/// In order of names. There are few: each is put where it belongs.
fn in_order(files: Vec<Named>) -> Vec<Named> {
    let mut sorted: Vec<Named> = Vec::with_capacity(files.len());
    for file in files {
        let place = sorted.partition_point(|other| other.0 <= file.0);
        sorted.insert(place, file);
    }
    sorted
}

fn listed(files: Option<FileList>) -> Vec<Named> {
    let Some(files) = files else { return Vec::new() };
    let all = (0..files.length()).filter_map(|place| files.get(place));
    all.map(|file| (name(&file), file.into())).collect()
}

/// The path below the chosen folder, where one was chosen.
fn name(file: &File) -> String {
    let path = js_sys::Reflect::get(file, &"webkitRelativePath".into()).ok();
    path.and_then(|path| path.as_string()).filter(|path| !path.is_empty()).unwrap_or_else(|| file.name())
}

/// Everything in a folder: browsers hand it out in portions, the last of which is empty.
async fn inside(reader: &FileSystemDirectoryReader) -> Vec<FileSystemEntry> {
    let mut all = Vec::new();
    while all.len() < MAX_FILES {
        let portion = Promise::new(&mut |done, failed| {
            // What cannot be asked is not answered either: the promise is rejected by the exception.
            let _ = reader.read_entries_with_callback_and_callback(&done, &failed);
        });
        let Ok(portion) = JsFuture::from(portion).await else { break };
        let portion = Array::from(&portion);
        if portion.length() == 0 {
            break;
        }
        all.extend(portion.iter().map(JsCast::unchecked_into::<FileSystemEntry>));
    }
    all
}

async fn file(entry: &FileSystemFileEntry) -> Option<File> {
    let file = Promise::new(&mut |done, failed| entry.file_with_callback_and_callback(&done, &failed));
    JsFuture::from(file).await.ok().map(JsCast::unchecked_into)
}
