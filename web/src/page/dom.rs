//! The few things that the page asks of the browser directly.

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, BlobPropertyBag, Document, HtmlAnchorElement, HtmlElement, Url, Window};

/// The window. There is always one: this program runs in a page only.
pub(crate) fn window() -> Window {
    leptos::prelude::window()
}

/// The document.
pub(crate) fn document() -> Document {
    leptos::prelude::document()
}

/// An element of the static page.
pub(crate) fn element(id: &str) -> Option<HtmlElement> {
    document().get_element_by_id(id)?.dyn_into().ok()
}

/// Milliseconds on a clock that only goes forward.
pub(crate) fn now_ms() -> f64 {
    window().performance().map_or(0.0, |clock| clock.now())
}

/// Whether the reader asked for less motion.
pub(crate) fn reduced_motion() -> bool {
    media("(prefers-reduced-motion: reduce)")
}

/// Whether a media query holds.
pub(crate) fn media(query: &str) -> bool {
    window().match_media(query).ok().flatten().is_some_and(|list| list.matches())
}

/// What stands behind the question mark.
pub(crate) fn query() -> String {
    window().location().search().unwrap_or_default().trim_start_matches('?').to_owned()
}

/// What stands behind the hash mark, without it.
pub(crate) fn anchor() -> String {
    window().location().hash().unwrap_or_default().trim_start_matches('#').to_owned()
}

/// Puts a query into the address without a new entry in the history.
pub(crate) fn replace_query(query: &str) {
    let Ok(history) = window().history() else { return };
    let hash = window().location().hash().unwrap_or_default();
    let path = window().location().pathname().unwrap_or_default();
    let mark = if query.is_empty() { "" } else { "?" };
    // Browsers refuse too many changes in a short time; the next one will hold.
    let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&format!("{path}{mark}{query}{hash}")));
}

/// The address of this page with another anchor.
pub(crate) fn link_to(anchor: &str) -> String {
    let here = window().location().href().unwrap_or_default();
    let plain = here.split('#').next().unwrap_or_default();
    format!("{plain}#{anchor}")
}

/// Copies a text. Browsers without a clipboard (plain http) do nothing.
pub(crate) async fn copy(text: &str) -> bool {
    let clipboard = window().navigator().clipboard();
    if clipboard.is_undefined() {
        return false;
    }
    wasm_bindgen_futures::JsFuture::from(clipboard.write_text(text)).await.is_ok()
}

/// Offers a text as a file.
pub(crate) fn download(name: &str, kind: &str, text: &str) -> Result<(), JsValue> {
    let options = BlobPropertyBag::new();
    options.set_type(kind);
    let blob = Blob::new_with_str_sequence_and_options(&Array::of1(&text.into()), &options)?;
    let url = Url::create_object_url_with_blob(&blob)?;
    let link: HtmlAnchorElement = document().create_element("a")?.unchecked_into();
    link.set_href(&url);
    link.set_download(name);
    link.click();
    Url::revoke_object_url(&url)
}

/// Says that the program stopped: to the console in full, to the reader on the page.
pub(crate) fn report_crash(why: &str) {
    web_sys::console::error_1(&why.into());
    let place = document().body().zip(document().create_element("p").ok());
    if let Some((body, note)) = place {
        note.set_class_name("notice page");
        note.set_text_content(Some(
            "The program of this page stopped because of a mistake in it. Reload the page to go on.",
        ));
        // Nothing else can be done about a page that cannot be written to.
        let _ = note.set_attribute("role", "alert");
        let _ = body.prepend_with_node_1(&note);
    }
}
