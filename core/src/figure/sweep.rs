//! The sweep: one quantity against the number of sessions at a time, one line a policy, one panel
//! a cache size.

use super::axis::{LABEL, SMALL, log_time_ticks, share, ticks};
use super::lossy::{caution, sends_all};
use super::pen::{Ink, Pen, Side};
use super::{DrawError, Figure, Table, Theme, units};
use crate::rank::{float_key, rank};
use crate::report::{Sweep, SweepPoint};
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend};

/// What a sweep figure shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// 95th percentile of the time to first token; log scale.
    TtftP95,
    /// Cached over prompt tokens; linear, from zero.
    HitRate,
    /// Median job time; log scale.
    JobP50,
}

/// One quantity of a sweep.
#[derive(Clone, Copy, Debug)]
pub struct SweepFigure<'a> {
    /// The grid.
    pub report: &'a Sweep,
    /// What to show of it.
    pub quantity: Quantity,
}

/// Above the panels: what the y axis is. Below a panel: the x axis.
const HEAD: f64 = 24.0;
const PANEL_HEAD: f64 = 24.0;
const PANEL_FOOT: f64 = 36.0;
/// Space for the y axis' labels.
const LEFT: f64 = 50.0;
/// From this width on, panels stand side by side and lines are labelled directly.
const WIDE: f64 = 640.0;

/// Place and scales of one panel.
struct Panel {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    low: f64,
    high: f64,
    log: bool,
}

impl Panel {
    #[inline]
    fn y(&self, value: f64) -> f64 {
        self.top + self.height * (1.0 - share(value, (self.low, self.high), self.log))
    }
}

impl Quantity {
    #[inline]
    fn of(self, point: &SweepPoint) -> Option<f64> {
        match self {
            Quantity::TtftP95 => point.ttft_ms.map(|spread| spread.p95),
            Quantity::HitRate => point.hit_rate,
            Quantity::JobP50 => point.job_ms.map(|spread| spread.p50),
        }
        .filter(|value| value.is_finite() && (*value > 0.0 || self == Quantity::HitRate))
    }

    #[inline]
    fn name(self) -> &'static str {
        match self {
            Quantity::TtftP95 => "95th percentile of the time to first token",
            Quantity::HitRate => "hit rate",
            Quantity::JobP50 => "median job time",
        }
    }

    #[inline]
    fn text(self, value: f64) -> String {
        if self == Quantity::HitRate { units::percent(Some(value)) } else { units::time(value) }
    }

    #[inline]
    fn log(self) -> bool {
        self != Quantity::HitRate
    }
}

impl SweepFigure<'_> {
    #[inline]
    fn values(&self) -> impl Iterator<Item = f64> {
        self.report.points.iter().filter_map(|point| self.quantity.of(point))
    }

    /// Lowest and highest value of the y axis: tight under a log scale, zero-based otherwise.
    #[inline]
    fn range(&self) -> (f64, f64) {
        let high = self.values().fold(0.0, f64::max);
        if !self.quantity.log() {
            return (0.0, high.max(0.01) * 1.05);
        }
        let low = self.values().fold(f64::INFINITY, f64::min);
        if low.is_finite() { (low / 1.25, high.max(low * 2.0) * 1.25) } else { (1.0, 10.0) }
    }

    #[inline]
    fn panels(&self, width: f64) -> Vec<Panel> {
        let count = self.report.kv_tokens.len().max(1);
        let (low, high) = self.range();
        let names = self.report.policies.iter().map(|name| units::text_width(name, SMALL, false));
        let right = if width >= WIDE { names.fold(0.0, f64::max) + 22.0 } else { 8.0 };
        let panel = |place: usize| {
            if width >= WIDE {
                let each = (width - LEFT - right) / count as f64;
                let left = LEFT + place as f64 * each;
                let top = HEAD + PANEL_HEAD;
                Panel { left, top, width: each - 22.0, height: 220.0, low, high, log: self.quantity.log() }
            } else {
                let top = HEAD + self.legend_height(width) + PANEL_HEAD;
                let top = top + place as f64 * (170.0 + PANEL_HEAD + PANEL_FOOT);
                Panel {
                    left: LEFT,
                    top,
                    width: width - LEFT - right,
                    height: 170.0,
                    low,
                    high,
                    log: self.quantity.log(),
                }
            }
        };
        (0..count).map(panel).collect()
    }

    #[inline]
    fn legend_height(&self, width: f64) -> f64 {
        let columns = if width >= 420.0 { 2 } else { 1 };
        self.report.policies.len().div_ceil(columns) as f64 * 18.0 + 4.0
    }

    /// The x of a load: loads stand at equal distances.
    #[inline]
    fn x(&self, panel: &Panel, concurrency: u32) -> f64 {
        let loads = &self.report.concurrency;
        let place = loads.iter().position(|load| *load == concurrency).unwrap_or(0);
        panel.left + panel.width * place as f64 / (loads.len().max(2) - 1) as f64
    }

    fn draw_axes<B: DrawingBackend>(
        &self,
        pen: &Pen<'_, B>,
        theme: &Theme,
        panel: &Panel,
        kv_tokens: u64,
        first: bool,
    ) -> Result<(), DrawError<B>> {
        let soft = Ink::new(theme.soft, SMALL);
        let title = format!("{} KV tokens a replica", units::short(kv_tokens));
        pen.text(&title, (panel.left, panel.top - 13.0), Ink::new(theme.ink, SMALL).bold())?;
        let steps = if panel.log {
            log_time_ticks(panel.low, panel.high)
        } else {
            ticks(panel.high, 5).into_iter().map(|value| (value, format!("{:.0} %", value * 100.0))).collect()
        };
        for (value, text) in steps {
            let y = panel.y(value);
            pen.line(&[(panel.left, y), (panel.left + panel.width, y)], theme.rule, 1.0)?;
            if first {
                pen.text(&text, (panel.left - 8.0, y), soft.side(Side::Right))?;
            }
        }
        let base = panel.top + panel.height;
        pen.line(&[(panel.left, base), (panel.left + panel.width, base)], theme.soft, 1.0)?;
        for (place, &load) in self.report.concurrency.iter().enumerate() {
            let x = self.x(panel, load);
            pen.line(&[(x, base), (x, base + 4.0)], theme.soft, 1.0)?;
            let crowded = panel.width / (self.report.concurrency.len() as f64) < 22.0 && place % 2 == 1;
            if !crowded {
                pen.text(&load.to_string(), (x, base + 13.0), soft.side(Side::Centre))?;
            }
        }
        if first {
            pen.text("sessions at a time", (panel.left, base + 28.0), soft)?;
        }
        Ok(())
    }

    fn draw_lines<B: DrawingBackend>(
        &self,
        pen: &Pen<'_, B>,
        theme: &Theme,
        panel: &Panel,
        kv_tokens: u64,
    ) -> Result<(), DrawError<B>> {
        for policy in &self.report.policies {
            let style = theme.policy(policy);
            let line = self.report.line(policy, kv_tokens);
            let points: Vec<(f64, f64)> = line
                .iter()
                .filter_map(|point| {
                    Some((self.x(panel, point.concurrency), panel.y(self.quantity.of(point)?)))
                })
                .collect();
            if points.len() > 1 {
                pen.dashed(&points, style.dash, style.colour, 1.8)?;
            }
            for &point in &points {
                pen.mark(style.mark, point, 3.2, style.colour)?;
            }
        }
        Ok(())
    }

    /// Names at the right ends of the last panel's lines, pushed apart where they would touch.
    fn draw_names<B: DrawingBackend>(
        &self,
        pen: &Pen<'_, B>,
        theme: &Theme,
        panel: &Panel,
        kv_tokens: u64,
    ) -> Result<(), DrawError<B>> {
        let ends = self.report.policies.iter().filter_map(|policy| {
            let last = self.report.line(policy, kv_tokens).into_iter().next_back()?;
            Some((panel.y(self.quantity.of(last)?), policy))
        });
        let ends: Vec<(f64, &String)> = ends.collect();
        let order = rank(ends.iter().map(|end| float_key(end.0)));
        let ends: Vec<(f64, &String)> = order.into_iter().map(|place| ends[place]).collect();
        let mut free = f64::NEG_INFINITY;
        let places: Vec<f64> = ends
            .iter()
            .map(|(y, _)| {
                let place = y.max(free);
                free = place + 15.0;
                place
            })
            .collect();
        let over = (places.last().copied().unwrap_or(0.0) - (panel.top + panel.height + 4.0)).max(0.0);
        for ((y, policy), place) in ends.iter().zip(places) {
            let x = panel.left + panel.width;
            let colour = theme.policy(policy).colour;
            let place = place - over;
            if (place - y).abs() > 3.0 {
                pen.line(&[(x + 6.0, *y), (x + 16.0, place)], colour.over(theme.paper, 0.5), 1.0)?;
            }
            pen.text(policy, (x + 20.0, place), Ink::new(colour, SMALL))?;
        }
        Ok(())
    }

    fn draw_legend<B: DrawingBackend>(&self, pen: &Pen<'_, B>, theme: &Theme) -> Result<(), DrawError<B>> {
        let columns = if pen.width() >= 420.0 { 2 } else { 1 };
        for (place, policy) in self.report.policies.iter().enumerate() {
            let style = theme.policy(policy);
            let x = (place % columns) as f64 * pen.width() / columns as f64;
            let y = HEAD + (place / columns) as f64 * 18.0 + 9.0;
            pen.dashed(&[(x, y), (x + 30.0, y)], style.dash, style.colour, 1.8)?;
            pen.mark(style.mark, (x + 15.0, y), 3.2, style.colour)?;
            pen.text(policy, (x + 38.0, y), Ink::new(style.colour, LABEL))?;
        }
        Ok(())
    }
}

impl Figure for SweepFigure<'_> {
    fn id(&self) -> &'static str {
        match self.quantity {
            Quantity::TtftP95 => "sweep",
            Quantity::HitRate => "sweep-hit-rate",
            Quantity::JobP50 => "sweep-job",
        }
    }

    #[inline]
    fn finding(&self) -> String {
        let report = self.report;
        let (Some(&load), Some(&small), Some(&large)) =
            (report.concurrency.last(), report.kv_tokens.first(), report.kv_tokens.last())
        else {
            return "The sweep has no points.".to_owned();
        };
        let at = |policy: &str, kv_tokens| {
            let point = report.line(policy, kv_tokens).into_iter().find(|point| point.concurrency == load)?;
            self.quantity.of(point)
        };
        let best = report
            .policies
            .iter()
            .filter(|name| *name != "naive" && sends_all(name))
            .filter_map(|name| Some((name, at(name, small)?, at(name, large)?)));
        let sign = if self.quantity == Quantity::HitRate { -1.0 } else { 1.0 };
        let Some((name, with_small, with_large)) = best.min_by(|a, b| (sign * a.2).total_cmp(&(sign * b.2)))
        else {
            return "No policy besides naive that sends prompts as they are was run.".to_owned();
        };
        let naive = at("naive", large)
            .map(|value| format!("; naive has {} with the larger", self.quantity.text(value)))
            .unwrap_or_default();
        format!(
            "With {load} sessions at a time under {name}, a cache of {} instead of {} tokens takes the {} from {} to {}{naive}.",
            units::short(large),
            units::short(small),
            self.quantity.name(),
            self.quantity.text(with_small),
            self.quantity.text(with_large),
        )
    }

    #[inline]
    fn caption(&self) -> String {
        let scenario = &self.report.scenario;
        format!(
            "{}: {}, {} calls, on {}, profile {}. One panel a cache size; the horizontal axis has equal steps. {}{}",
            self.report.set.title,
            self.report.sample,
            units::grouped(scenario.calls),
            match scenario.scenario.replicas {
                1 => "1 replica".to_owned(),
                n => format!("{n} replicas"),
            },
            scenario.scenario.profile,
            if self.quantity.log() {
                "The vertical axis is a log scale."
            } else {
                "The vertical axis begins at zero."
            },
            caution(self.report.policies.iter().map(String::as_str)),
        )
    }

    #[inline]
    fn height(&self, width: u32) -> u32 {
        let width = f64::from(width);
        let panels = self.panels(width);
        panels.last().map_or(0.0, |panel| panel.top + panel.height + PANEL_FOOT).ceil() as u32
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        theme: &Theme,
    ) -> Result<(), DrawError<B>> {
        let pen = Pen::new(area, theme);
        let wide = pen.width() >= WIDE;
        let scale = if self.quantity.log() { ", log scale" } else { "" };
        let head = format!("{}{scale}", self.quantity.name());
        pen.text(&head, (0.0, 9.0), Ink::new(theme.soft, SMALL))?;
        if !wide {
            self.draw_legend(&pen, theme)?;
        }
        let panels = self.panels(pen.width());
        for (place, (panel, &kv_tokens)) in panels.iter().zip(&self.report.kv_tokens).enumerate() {
            self.draw_axes(&pen, theme, panel, kv_tokens, place == 0 || !wide)?;
            self.draw_lines(&pen, theme, panel, kv_tokens)?;
            if wide && place + 1 == panels.len() {
                self.draw_names(&pen, theme, panel, kv_tokens)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn table(&self) -> Table {
        let columns = [
            "KV tokens",
            "sessions at a time",
            "policy",
            "TTFT p50",
            "TTFT p95",
            "hit rate",
            "job p50",
            "utilisation",
        ];
        let rows = self.report.points.iter().map(|point| {
            let time = units::known_time;
            vec![
                units::grouped(point.kv_tokens),
                point.concurrency.to_string(),
                point.policy.clone(),
                time(point.ttft_ms.map(|s| s.p50)),
                time(point.ttft_ms.map(|s| s.p95)),
                units::percent(point.hit_rate),
                time(point.job_ms.map(|s| s.p50)),
                units::percent(point.utilisation),
            ]
        });
        Table { columns: columns.map(str::to_owned).to_vec(), rows: rows.collect() }
    }
}
