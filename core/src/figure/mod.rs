//! Figures: geometry from data, drawn through plotters' `DrawingBackend`, so that the page's canvas,
//! the binary's SVG and print agree. One file per figure.
//!
//! Functions are generic over the backend or `#[inline]`, so that they are compiled where they are used: small for the
//! page, whose bytes are counted, while the rest of core is compiled for speed.

mod axis;
mod bars;
mod dash;
mod failures;
mod latency;
mod lossy;
mod panels;
mod pen;
mod race;
mod roofline;
mod scene;
mod shapes;
mod strips;
mod sweep;
mod theme;
pub mod units;

pub use failures::FailureFigure;
pub use latency::LatencyFigure;
pub use race::RaceFigure;
pub use roofline::RooflineFigure;
pub use shapes::{ShapesFigure, ShapesView};
pub use strips::StripsFigure;
pub use sweep::{Quantity, SweepFigure};
pub use theme::{Mark, PolicyStyle, Rgb, Theme};

use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::{DrawingArea, DrawingBackend};

/// What drawing on a backend may fail with.
pub type DrawError<B> = DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>;

/// The numbers behind a figure, for its table view and its CSV.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Column heads, units included.
    pub columns: Vec<String>,
    /// Rows of formatted cells, as many as there are columns.
    pub rows: Vec<Vec<String>>,
}

/// One figure over its data.
pub trait Figure {
    /// Stable name: anchor in the page, file name of the SVG.
    fn id(&self) -> &'static str;
    /// The finding, in one sentence computed from the data.
    fn finding(&self) -> String;
    /// How to read it: one or two sentences under the figure.
    fn caption(&self) -> String;
    /// Height in CSS pixels for a width in CSS pixels: figures are laid out anew for each width.
    fn height(&self, width: u32) -> u32;
    /// Draws on an area of `theme.scale` times the CSS size.
    ///
    /// # Errors
    /// Those of the backend.
    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        theme: &Theme,
    ) -> Result<(), DrawError<B>>;
    /// The same numbers as a table.
    fn table(&self) -> Table;
}
