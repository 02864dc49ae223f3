//! The page, from the top down: sections, the components they share, and below them the context,
//! the worker's client, fetching, colours and the browser.

mod app;
mod components;
mod context;
mod dom;
mod dropped;
mod fetch;
mod near;
mod reports;
mod sections;
mod sets;
mod theme;
mod worker_client;

pub(crate) use app::start;
