//! Figures that the page can hold: core draws them, this file gives them a canvas or an SVG, and
//! owns the data that core's figures borrow.

use super::backend::Surface;
use atr_core::figure::{
    DrawError, FailureFigure, Figure, LatencyFigure, Quantity, RaceFigure, ShapesFigure, ShapesView,
    SweepFigure, Table, Theme,
};
use atr_core::report::{AgentShapes, Failures, Policies, Race, Sweep};
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend, IntoDrawingArea, SVGBackend};
use plotters_canvas::CanvasBackend;
use std::rc::Rc;
use std::sync::Arc;
use web_sys::HtmlCanvasElement;

/// What the SVG backend divides font sizes by.
const SVG_FONT_FACTOR: f64 = 1.24;

/// A figure behind a pointer: [`Figure`] with its backends filled in.
pub(crate) trait Drawn {
    /// The finding in one sentence.
    fn finding(&self) -> String;
    /// How to read it.
    fn caption(&self) -> String;
    /// Draws on a canvas of `width` CSS pixels.
    fn paint(&self, canvas: &HtmlCanvasElement, width: u32, theme: &Theme) -> Result<(), String>;
    /// The figure as an SVG file.
    fn svg(&self, width: u32, theme: &Theme) -> Result<String, String>;
    /// The numbers.
    fn table(&self) -> Table;
}

/// A figure that signals can carry.
pub(crate) type Shown = Rc<dyn Drawn>;

impl<F: Figure> Drawn for F {
    fn finding(&self) -> String {
        Figure::finding(self)
    }

    fn caption(&self) -> String {
        Figure::caption(self)
    }

    fn paint(&self, canvas: &HtmlCanvasElement, width: u32, theme: &Theme) -> Result<(), String> {
        let device = |pixels: u32| (f64::from(pixels) * theme.scale).round() as u32;
        let height = Figure::height(self, width);
        let (wide, high) = (device(width), device(height));
        if canvas.width() != wide || canvas.height() != high {
            canvas.set_width(wide);
            canvas.set_height(high);
            // The bitmap is in device pixels, the box in CSS pixels.
            let style = web_sys::HtmlElement::style(canvas);
            style.set_property("height", &format!("{height}px")).map_err(|_| "the canvas cannot be sized")?;
        }
        let backend =
            CanvasBackend::with_canvas_object(canvas.clone()).ok_or("this browser has no 2d canvas")?;
        put(self, Surface::Canvas(backend), theme)
    }

    fn svg(&self, width: u32, theme: &Theme) -> Result<String, String> {
        let theme = Theme { scale: 1.0, font_factor: SVG_FONT_FACTOR, ..theme.clone() };
        let mut text = String::new();
        let size = (width, Figure::height(self, width));
        put(self, Surface::Svg(SVGBackend::with_string(&mut text, size)), &theme)?;
        Ok(text)
    }

    fn table(&self) -> Table {
        Figure::table(self)
    }
}

/// Draws a figure on a surface, on paper.
fn put(figure: &impl Figure, surface: Surface<'_>, theme: &Theme) -> Result<(), String> {
    let area = surface.into_drawing_area();
    let paper = plotters::style::RGBColor(theme.paper.0, theme.paper.1, theme.paper.2);
    area.fill(&paper).map_err(|error| error.to_string())?;
    figure.draw(&area, theme).map_err(|error| error.to_string())?;
    area.present().map_err(|error| error.to_string())
}

/// The race at one moment.
pub(crate) struct OwnedRace {
    /// The runs.
    pub(crate) race: Arc<Race>,
    /// The moment.
    pub(crate) t_us: u64,
}

/// The policies side by side.
pub(crate) struct OwnedLatency(pub(crate) Arc<Policies>);

/// One quantity of a sweep.
pub(crate) struct OwnedSweep {
    /// The grid.
    pub(crate) report: Arc<Sweep>,
    /// What to show of it.
    pub(crate) quantity: Quantity,
}

/// One failure of routers.
pub(crate) struct OwnedFailure {
    /// All failures.
    pub(crate) report: Arc<Failures>,
    /// Which of them.
    pub(crate) place: usize,
}

/// One view of the shapes.
pub(crate) struct OwnedShapes {
    /// The shapes.
    pub(crate) report: Arc<AgentShapes>,
    /// What to show of them.
    pub(crate) view: ShapesView,
    /// The harnesses to show; all where none is named.
    pub(crate) harnesses: Vec<String>,
}

/// Lends what `$owned` owns to core's figure, and asks that.
macro_rules! lend {
    ($owned:ty, $self:ident => $figure:expr) => {
        impl Figure for $owned {
            fn id(&self) -> &'static str {
                let $self = self;
                Figure::id(&$figure)
            }
            fn finding(&self) -> String {
                let $self = self;
                Figure::finding(&$figure)
            }
            fn caption(&self) -> String {
                let $self = self;
                Figure::caption(&$figure)
            }
            fn height(&self, width: u32) -> u32 {
                let $self = self;
                Figure::height(&$figure, width)
            }
            fn draw<B: DrawingBackend>(
                &self,
                area: &DrawingArea<B, Shift>,
                theme: &Theme,
            ) -> Result<(), DrawError<B>> {
                let $self = self;
                Figure::draw(&$figure, area, theme)
            }
            fn table(&self) -> Table {
                let $self = self;
                Figure::table(&$figure)
            }
        }
    };
}

lend!(OwnedRace, this => RaceFigure { race: &this.race, t_us: this.t_us });
lend!(OwnedLatency, this => LatencyFigure { report: &this.0 });
lend!(OwnedSweep, this => SweepFigure { report: &this.report, quantity: this.quantity });
lend!(OwnedFailure, this => FailureFigure { failure: &this.report.exhibits[this.place] });
lend!(OwnedShapes, this => ShapesFigure { report: &this.report, view: this.view, harnesses: &this.harnesses });
