//! What sections are made of.

mod backend;
mod canvas;
mod controls;
mod drawn;
mod facts;
mod frame;
mod loading;
mod sight;

pub(crate) use canvas::{FigureCanvas, mark_ready};
pub(crate) use controls::{Choice, Slider};
pub(crate) use drawn::{OwnedFailure, OwnedLatency, OwnedRace, OwnedShapes, OwnedSweep, Shown};
pub(crate) use facts::Facts;
pub(crate) use frame::{Badge, FigureFrame, Source};
pub(crate) use loading::SetProgress;
pub(crate) use sight::watch_sight;
