//! Fetching the page's own files, with progress.

use js_sys::{Array, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, ReadableStreamDefaultReader, Response};

/// Why a file of the page did not come.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The server says no.
    #[error("`{path}`: the server answered {status}, expected 200")]
    Status { path: String, status: u16 },
    /// Nothing came, or it broke off.
    #[error("`{path}`: {why}")]
    Broken { path: String, why: String },
}

/// Fetches a file as it is.
pub(crate) async fn blob(path: &str, progress: &dyn Fn(u64)) -> Result<Blob, FetchError> {
    let response = open(path).await?;
    let broken = |error: &JsValue| FetchError::Broken { path: path.to_owned(), why: describe(error) };
    let parts = Array::new();
    if let Some(body) = response.body() {
        let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
        let mut done = 0;
        loop {
            let step = JsFuture::from(reader.read()).await.map_err(|error| broken(&error))?;
            let value = Reflect::get(&step, &"value".into()).map_err(|error| broken(&error))?;
            let Ok(chunk) = value.dyn_into::<Uint8Array>() else { break };
            done += u64::from(chunk.length());
            parts.push(&chunk);
            progress(done);
        }
    }
    Blob::new_with_u8_array_sequence(&parts).map_err(|error| broken(&error))
}

/// Fetches a text.
pub(crate) async fn text(path: &str) -> Result<String, FetchError> {
    let response = open(path).await?;
    let broken = |error: &JsValue| FetchError::Broken { path: path.to_owned(), why: describe(error) };
    let text = response.text().map_err(|error| broken(&error))?;
    let text = JsFuture::from(text).await.map_err(|error| broken(&error))?;
    Ok(text.as_string().unwrap_or_default())
}

async fn open(path: &str) -> Result<Response, FetchError> {
    let response = JsFuture::from(super::dom::window().fetch_with_str(path)).await;
    match response.map(JsCast::unchecked_into::<Response>) {
        Ok(response) if response.ok() => Ok(response),
        Ok(response) => Err(FetchError::Status { path: path.to_owned(), status: response.status() }),
        Err(error) => Err(FetchError::Broken { path: path.to_owned(), why: describe(&error) }),
    }
}

fn describe(error: &JsValue) -> String {
    let text = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    text.unwrap_or_else(|| "the browser gives no reason".to_owned())
}
