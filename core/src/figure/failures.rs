//! A failure of routers: one row a router, from where it stood to where it is when things go wrong.

use super::axis::{LABEL, SMALL, ticks, time_tick};
use super::pen::{Area, Ink, Pen, Side};
use super::scene::Scene;
use super::{DrawError, Figure, Rgb, Table, Theme, units};
use crate::policy::Measure;
use crate::report::{Failure, Figures, RouterRow, Verdict};
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend};

/// One failure under every router.
#[derive(Clone, Copy, Debug)]
pub struct FailureFigure<'a> {
    /// The failure.
    pub failure: &'a Failure,
}

const ROW: f64 = 24.0;
const HEAD: f64 = 50.0;
const FOOT: f64 = 30.0;
/// Room for the names of routers.
const NAMES: f64 = 144.0;
/// Room for the word behind a row.
const WORD: f64 = 54.0;
/// The two set-ups of a failure.
const BEFORE: &str = "before";
const AFTER: &str = "when it goes wrong";

impl FailureFigure<'_> {
    #[inline]
    fn measure(&self) -> Measure {
        Measure::by_key(&self.failure.measure).unwrap_or(Measure::HitRate)
    }

    #[inline]
    fn value(&self, figures: &Figures) -> f64 {
        self.measure().of(figures).unwrap_or(0.0)
    }

    /// The end of the axis: the largest value, or the whole.
    #[inline]
    fn most(&self) -> f64 {
        if self.measure() == Measure::HitRate {
            return 1.0;
        }
        let rows = self.failure.routers.iter();
        let most = rows.flat_map(|row| [self.value(&row.calm), self.value(&row.failing)]).fold(0.0, f64::max);
        if most > 0.0 { most } else { 1.0 }
    }

    #[inline]
    fn label(&self, value: f64) -> String {
        if self.measure() != Measure::HitRate {
            time_tick(value, self.most())
        } else {
            units::percent(Some(value))
        }
    }

    #[inline]
    fn quantity(&self) -> &'static str {
        match self.measure() {
            Measure::HitRate => "Hit rate",
            Measure::TtftMean => "Time to first token, mean",
            Measure::TtftP99 => "Time to first token, 99th percentile",
        }
    }

    #[inline]
    fn scene<'t>(&self, width: f64, theme: &'t Theme) -> Scene<'t> {
        let mut scene = Scene::new(theme);
        let soft = Ink::new(theme.soft, SMALL);
        scene.text(self.quantity(), (0.0, 9.0), Ink::new(theme.ink, LABEL));
        let mut x = 0.0;
        for (verdict, name) in [None, Some(Verdict::Falls), Some(Verdict::Suffers), Some(Verdict::Stands)]
            .map(|verdict| (verdict, verdict.map_or(BEFORE, Verdict::word)))
        {
            dot(&mut scene, (x + 6.0, 30.0), verdict);
            let colour = verdict.map_or(theme.soft, |verdict| colour(theme, verdict));
            x = scene.run(name, (x + 18.0, 30.0), Ink::new(colour, SMALL)) + 14.0;
        }
        let (left, room) = (NAMES, (width - NAMES - WORD - 8.0).max(40.0));
        let bottom = HEAD + self.failure.routers.len() as f64 * ROW;
        let most = self.most();
        for value in ticks(most, if room > 300.0 { 5 } else { 2 }) {
            let x = left + room * value / most;
            scene.line(vec![(x, HEAD - 4.0), (x, bottom)], &[], theme.rule, 1.0);
            scene.text(&self.label(value), (x, bottom + 12.0), soft.side(Side::Centre));
        }
        for (place, row) in self.failure.routers.iter().enumerate() {
            let y = HEAD + (place as f64 + 0.5) * ROW;
            let at = |figures: &Figures| left + room * (self.value(figures) / most).clamp(0.0, 1.0);
            self.row(&mut scene, row, (at(&row.calm), at(&row.failing), y), left + room);
        }
        scene
    }

    #[inline]
    fn row(&self, scene: &mut Scene<'_>, row: &RouterRow, (calm, failing, y): (f64, f64, f64), right: f64) {
        let theme = scene.theme;
        let colour = colour(theme, row.verdict);
        let name = match row.verdict {
            Verdict::Falls => Ink::new(colour, LABEL).bold(),
            Verdict::Suffers | Verdict::Stands => Ink::new(theme.ink, LABEL),
        };
        scene.text(&row.router, (0.0, y), name);
        scene.line(vec![(calm, y), (failing, y)], &[], colour, 2.0);
        dot(scene, (calm, y), None);
        dot(scene, (failing, y), Some(row.verdict));
        scene.text(&verdict(row), (right + 8.0, y), Ink::new(colour, SMALL));
    }
}

/// What became of a router, with an asterisk where that is close.
#[inline]
fn verdict(row: &RouterRow) -> String {
    let mut text = row.verdict.word().to_owned();
    if row.close {
        text.push('*');
    }
    text
}

#[inline]
fn colour(theme: &Theme, verdict: Verdict) -> Rgb {
    match verdict {
        Verdict::Falls => theme.accent,
        Verdict::Suffers => theme.ink,
        Verdict::Stands => theme.soft,
    }
}

/// A value: open for before; filled for after, by what became of the router.
#[inline]
fn dot(scene: &mut Scene<'_>, (x, y): (f64, f64), verdict: Option<Verdict>) {
    let theme = scene.theme;
    let square = |size: f64| Area { x: x - size / 2.0, y: y - size / 2.0, w: size, h: size };
    scene.rect(square(9.0), verdict.map_or(theme.soft, |verdict| colour(theme, verdict)));
    if verdict.is_none() {
        scene.rect(square(6.0), theme.paper);
    }
}

impl Figure for FailureFigure<'_> {
    #[inline]
    fn id(&self) -> &'static str {
        match self.failure.name.as_str() {
            "shared-prompt" => "failure-shared-prompt",
            "one-at-a-time" => "failure-one-at-a-time",
            "hot-session" => "failure-hot-session",
            _ => "failure-stale-signals",
        }
    }

    #[inline]
    fn finding(&self) -> String {
        let rows = &self.failure.routers;
        let with = |verdict: Verdict| {
            rows.iter()
                .filter(|row| row.verdict == verdict)
                .map(|row| row.router.as_str())
                .collect::<Vec<_>>()
        };
        let (fell, stand) = (with(Verdict::Falls), with(Verdict::Stands).len());
        let suffer = rows.len() - fell.len() - stand;
        let s = |count: usize| if count == 1 { "s" } else { "" };
        let others = format!("{suffer} suffer{}, {stand} stand{}", s(suffer), s(stand));
        match fell.as_slice() {
            [] => format!("Of {} routers none falls, {others}.", rows.len()),
            [one] => format!("{one} falls; of the other {} routers {others}.", rows.len() - 1),
            _ => {
                format!("Of {} routers {} fall: {}; {others}.", rows.len(), fell.len(), units::listed(&fell))
            }
        }
    }

    #[inline]
    fn caption(&self) -> String {
        format!(
            "Open: {}. Filled: {}. {}.",
            self.failure.set_ups[0], self.failure.set_ups[1], self.failure.rule
        )
    }

    #[inline]
    fn height(&self, _width: u32) -> u32 {
        (HEAD + self.failure.routers.len() as f64 * ROW + FOOT) as u32
    }

    #[inline]
    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        theme: &Theme,
    ) -> Result<(), DrawError<B>> {
        let pen = Pen::new(area, theme);
        self.scene(pen.width(), theme).draw(&pen)
    }

    #[inline]
    fn table(&self) -> Table {
        let columns = [
            "router",
            "set-up",
            "calls by replica",
            "busiest",
            "busy",
            "hit rate",
            "TTFT mean",
            "TTFT p99",
            "job p50",
            "verdict",
            "by",
            "worse than before",
            "worse than the best",
        ];
        let rows = self.failure.routers.iter().flat_map(|row| {
            let mut after = cells(row, AFTER, &row.failing);
            let worse = &row.worse;
            let times = |times: f64| format!("{times:.2} ×");
            after.splice(
                9..,
                [verdict(row), worse.figure.clone(), times(worse.than_calm), times(worse.than_best)],
            );
            [cells(row, BEFORE, &row.calm), after]
        });
        Table { columns: columns.map(str::to_owned).to_vec(), rows: rows.collect() }
    }
}

#[inline]
fn cells(row: &RouterRow, set_up: &str, figures: &Figures) -> Vec<String> {
    let calls: Vec<String> = figures.calls_by_replica.iter().map(ToString::to_string).collect();
    let mut cells = vec![
        row.router.clone(),
        set_up.to_owned(),
        calls.join(" / "),
        units::percent(Some(figures.busiest_share)),
        units::percent(Some(figures.busy_share)),
        units::percent(figures.hit_rate),
        units::known_time(figures.ttft_ms.map(|spread| spread.mean)),
        units::known_time(figures.ttft_ms.map(|spread| spread.p99)),
        units::known_time(figures.job_ms.map(|spread| spread.p50)),
    ];
    cells.resize(13, String::new());
    cells
}
