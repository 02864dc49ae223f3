//! A figure as an SVG file: drawn by plotters' backend on a fine grid, then made small and given
//! what a reader of the file needs: its size in CSS pixels and its finding as the title.

use anyhow::Context;
use atr_core::figure::{Figure, Theme};
use plotters::prelude::IntoDrawingArea;
use plotters_svg::SVGBackend;
use std::fmt::Write;

/// Grid points per CSS pixel: the backend draws on whole points.
const GRID: u32 = 4;
/// plotters' SVG backend divides font sizes by this.
const FONT_FACTOR: f64 = 1.24;

/// Draws the figure in light colours for a width in CSS pixels.
pub(super) fn render(figure: &impl Figure, width: u32) -> anyhow::Result<String> {
    let height = figure.height(width);
    let theme = Theme { scale: f64::from(GRID), font_factor: FONT_FACTOR, ..Theme::light() };
    let mut drawn = String::new();
    {
        let area = SVGBackend::with_string(&mut drawn, (width * GRID, height * GRID)).into_drawing_area();
        let name = figure.id();
        figure.draw(&area, &theme).with_context(|| format!("cannot draw `{name}`"))?;
        area.present().with_context(|| format!("cannot draw `{name}`"))?;
    }
    let mut lines = drawn.lines();
    lines.next().context("the backend drew nothing")?;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\">\n",
        width * GRID,
        height * GRID
    );
    writeln!(text, "<title>{}</title>", escape(&figure.finding()))?;
    compact(lines, &mut text);
    Ok(text)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Copies elements, leaving out what is the default anyway and joining neighbouring lines of one
/// style into one path.
fn compact<'a>(lines: impl Iterator<Item = &'a str>, text: &mut String) {
    let mut open: Option<(String, String)> = None;
    for line in lines {
        let line = line.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "");
        let stroke = polyline(&line);
        if let (Some((style, path)), Some((same, points))) = (&mut open, &stroke)
            && style == same
        {
            path.push_str(points);
            continue;
        }
        close(open.take(), text);
        match stroke {
            Some(stroke) => open = Some(stroke),
            None => {
                text.push_str(&line);
                text.push('\n');
            }
        }
    }
    close(open, text);
}

fn close(path: Option<(String, String)>, text: &mut String) {
    if let Some((style, path)) = path {
        text.push_str(&format!("<path {style} d=\"{path}\"/>\n"));
    }
}

/// A polyline element as its style and its points in path notation.
fn polyline(line: &str) -> Option<(String, String)> {
    let rest = line.strip_prefix("<polyline ")?;
    let (style, points) = rest.split_once(" points=\"")?;
    let (points, _) = points.split_once('"')?;
    Some((style.to_owned(), format!("M{}", points.trim_end().replace(' ', "L"))))
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn lines_of_one_style_become_one_path() {
        let drawn = [
            r##"<polyline fill="none" opacity="1" stroke="#111111" stroke-width="2" points="0,1 2,3 "/>"##,
            r##"<polyline fill="none" opacity="1" stroke="#111111" stroke-width="2" points="4,5 6,7 "/>"##,
            r##"<polyline fill="none" opacity="1" stroke="#222222" stroke-width="2" points="8,9 1,1 "/>"##,
            r##"<rect x="1" y="2" width="3" height="4" opacity="1" fill="#333333" stroke="none"/>"##,
            "</svg>",
        ];
        let mut text = String::new();
        compact(drawn.into_iter(), &mut text);
        assert_eq!(
            text,
            "<path fill=\"none\" stroke=\"#111111\" stroke-width=\"2\" d=\"M0,1L2,3M4,5L6,7\"/>\n\
             <path fill=\"none\" stroke=\"#222222\" stroke-width=\"2\" d=\"M8,9L1,1\"/>\n\
             <rect x=\"1\" y=\"2\" width=\"3\" height=\"4\" fill=\"#333333\"/>\n</svg>\n"
        );
    }
}
