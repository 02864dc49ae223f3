//! Colours and scale of a figure, and what tells policies apart without colour. The page fills a
//! theme from its style sheet's tokens, the binary from [`Theme::light`].

use crate::policy::POLICIES;

/// A colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(
    /// Red.
    pub u8,
    /// Green.
    pub u8,
    /// Blue.
    pub u8,
);

impl Rgb {
    /// This colour at an opacity over a ground.
    pub fn over(self, ground: Rgb, opacity: f64) -> Rgb {
        let mix = |top: u8, below: u8| {
            (f64::from(top) * opacity + f64::from(below) * (1.0 - opacity)).round() as u8
        };
        Rgb(mix(self.0, ground.0), mix(self.1, ground.1), mix(self.2, ground.2))
    }
}

/// The sign of a policy on its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// An open circle.
    Ring,
    /// A filled circle.
    Circle,
    /// A filled square.
    Square,
    /// A filled diamond.
    Diamond,
    /// A filled triangle, tip up.
    Up,
    /// A filled triangle, tip down.
    Down,
}

/// How one policy is drawn: hue, dash and mark go together in every figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyStyle {
    /// Its hue.
    pub colour: Rgb,
    /// Strokes and gaps in CSS pixels; none for a plain line.
    pub dash: &'static [f64],
    /// Its sign.
    pub mark: Mark,
}

/// Dash and mark of each policy, in the order of `policy::POLICIES`.
const SIGNS: [(&[f64], Mark); 6] = [
    (&[2.0, 3.0], Mark::Ring),
    (&[], Mark::Square),
    (&[], Mark::Circle),
    (&[7.0, 3.0], Mark::Diamond),
    (&[7.0, 3.0, 2.0, 3.0], Mark::Up),
    (&[4.0, 3.0], Mark::Down),
];

/// What a figure may use of colour and size. Nothing else is hard-coded in a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    /// Device pixels per CSS pixel; fonts and strokes scale with it.
    pub scale: f64,
    /// What a backend divides font sizes by: plotters' SVG backend divides by 1.24, a canvas by 1.
    pub font_factor: f64,
    /// Page colour.
    pub paper: Rgb,
    /// Text and data ink.
    pub ink: Rgb,
    /// Secondary text.
    pub soft: Rgb,
    /// Grid lines and rules.
    pub rule: Rgb,
    /// Tokens found in a cache: solid and quiet.
    pub cached: Rgb,
    /// Tokens computed again: hatched and loud.
    pub computed: Rgb,
    /// Links and the current selection.
    pub accent: Rgb,
    /// One hue per policy, in the order of `policy::POLICIES`.
    pub policies: [Rgb; 6],
    /// Family for labels.
    pub sans: String,
}

impl Theme {
    /// Ink on warm paper.
    pub fn light() -> Self {
        Theme {
            scale: 1.0,
            font_factor: 1.0,
            paper: Rgb(0xfb, 0xf9, 0xf3),
            ink: Rgb(0x1a, 0x19, 0x17),
            soft: Rgb(0x5c, 0x59, 0x53),
            rule: Rgb(0xdd, 0xd9, 0xce),
            cached: Rgb(0xb9, 0xc9, 0xc3),
            computed: Rgb(0xcf, 0x5a, 0x3c),
            accent: Rgb(0x14, 0x56, 0x84),
            policies: [
                Rgb(0x6b, 0x68, 0x62),
                Rgb(0x1f, 0x6f, 0xa8),
                Rgb(0x0b, 0x7a, 0x5b),
                Rgb(0xb0, 0x5a, 0x0c),
                Rgb(0xa8, 0x3a, 0x78),
                Rgb(0x6a, 0x45, 0xa8),
            ],
            sans: "Inter, system-ui, sans-serif".to_owned(),
        }
    }

    /// Soft ink on near-black.
    pub fn dark() -> Self {
        Theme {
            paper: Rgb(0x14, 0x15, 0x16),
            ink: Rgb(0xe9, 0xe5, 0xdb),
            soft: Rgb(0xa9, 0xa5, 0x9b),
            rule: Rgb(0x34, 0x35, 0x36),
            cached: Rgb(0x44, 0x5a, 0x54),
            computed: Rgb(0xe0, 0x7a, 0x5c),
            accent: Rgb(0x7f, 0xb9, 0xe3),
            policies: [
                Rgb(0xa5, 0xa1, 0x99),
                Rgb(0x6f, 0xb2, 0xe4),
                Rgb(0x4f, 0xc0, 0x9a),
                Rgb(0xe0, 0x9a, 0x4a),
                Rgb(0xe0, 0x84, 0xb8),
                Rgb(0xb0, 0x95, 0xe6),
            ],
            ..Theme::light()
        }
    }
    /// How a policy is drawn. Names that are no policy get plain ink.
    pub fn policy(&self, name: &str) -> PolicyStyle {
        let place = POLICIES.iter().position(|policy| policy.name == name);
        match place.and_then(|place| Some((self.policies.get(place)?, SIGNS.get(place)?))) {
            Some((&colour, &(dash, mark))) => PolicyStyle { colour, dash, mark },
            None => PolicyStyle { colour: self.ink, dash: &[], mark: Mark::Circle },
        }
    }
}
