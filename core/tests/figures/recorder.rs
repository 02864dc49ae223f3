//! A plotters backend that records what is drawn, in CSS pixels.

use atr_core::figure::{Figure, Rgb, Theme};
use plotters::prelude::{DrawingBackend, IntoDrawingArea};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind, text_anchor::HPos,
};
use std::cell::RefCell;
use std::rc::Rc;

/// One thing that was drawn, in CSS pixels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Drawn {
    Rect { x: f64, y: f64, w: f64, h: f64, colour: Rgb },
    Path(Vec<(f64, f64)>),
    Text { text: String, left: f64, right: f64, y: f64, size: f64 },
}

/// Device pixels per CSS pixel of the recording.
const SCALE: u32 = 10;

#[derive(Clone)]
struct Recorder {
    size: (u32, u32),
    drawn: Rc<RefCell<Vec<Drawn>>>,
}

#[derive(Debug)]
struct Never;
impl std::fmt::Display for Never {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
impl std::error::Error for Never {}
type Done = Result<(), DrawingErrorKind<Never>>;

fn css(device: i32) -> f64 {
    f64::from(device) / f64::from(SCALE)
}

fn rgb(colour: BackendColor) -> Rgb {
    Rgb(colour.rgb.0, colour.rgb.1, colour.rgb.2)
}

impl Recorder {
    fn note(&self, drawn: Drawn) -> Done {
        self.drawn.borrow_mut().push(drawn);
        Ok(())
    }
}

impl DrawingBackend for Recorder {
    type ErrorType = Never;
    fn get_size(&self) -> (u32, u32) {
        self.size
    }
    fn ensure_prepared(&mut self) -> Done {
        Ok(())
    }
    fn present(&mut self) -> Done {
        Ok(())
    }
    fn draw_pixel(&mut self, _: BackendCoord, _: BackendColor) -> Done {
        Ok(())
    }
    fn draw_rect<S: BackendStyle>(
        &mut self,
        a: BackendCoord,
        b: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Done {
        assert!(fill, "figures fill rectangles");
        let (w, h) = (css(b.0 - a.0), css(b.1 - a.1));
        self.note(Drawn::Rect { x: css(a.0), y: css(a.1), w, h, colour: rgb(style.color()) })
    }
    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, _: &S) -> Done {
        self.note(Drawn::Path(path.into_iter().map(|(x, y)| (css(x), css(y))).collect()))
    }
    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        _: &S,
    ) -> Done {
        self.note(Drawn::Path(path.into_iter().map(|(x, y)| (css(x), css(y))).collect()))
    }
    fn draw_circle<S: BackendStyle>(&mut self, c: BackendCoord, r: u32, _: &S, _: bool) -> Done {
        let r = f64::from(r) / f64::from(SCALE);
        self.note(Drawn::Path(vec![(css(c.0) - r, css(c.1) - r), (css(c.0) + r, css(c.1) + r)]))
    }
    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Done {
        let size = style.size() / f64::from(SCALE);
        // An independent, narrower guess than the figures' own: half an em a character.
        let w = text.chars().count() as f64 * size * 0.5;
        let x = css(at.0);
        let left = match style.anchor().h_pos {
            HPos::Left => x,
            HPos::Center => x - w / 2.0,
            HPos::Right => x - w,
        };
        self.note(Drawn::Text { text: text.to_owned(), left, right: left + w, y: css(at.1), size })
    }
}

/// Draws a figure for a width and returns what was drawn.
pub(crate) fn record(figure: &impl Figure, width: u32) -> Vec<Drawn> {
    let height = figure.height(width);
    let drawn = Rc::new(RefCell::new(Vec::new()));
    let recorder = Recorder { size: (width * SCALE, height * SCALE), drawn: Rc::clone(&drawn) };
    let theme = Theme { scale: f64::from(SCALE), ..Theme::light() };
    figure.draw(&recorder.into_drawing_area(), &theme).unwrap();
    let drawn = drawn.borrow().clone();
    assert!(!drawn.is_empty());
    drawn
}
