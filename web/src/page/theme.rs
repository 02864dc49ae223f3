//! Colours: the style sheet's tokens are the only source, for the page and for its canvases.

use super::dom;
use atr_core::figure::{Rgb, Theme};
use atr_core::policy::POLICIES;
use atr_web::state::ThemeChoice;
use web_sys::CssStyleDeclaration;

/// Puts the reader's choice on the document, where the style sheet sees it.
pub(crate) fn apply(choice: ThemeChoice) {
    let Some(root) = dom::document().document_element() else { return };
    let outcome = match choice {
        ThemeChoice::System => root.remove_attribute("data-theme"),
        ThemeChoice::Light => root.set_attribute("data-theme", "light"),
        ThemeChoice::Dark => root.set_attribute("data-theme", "dark"),
    };
    // Fails for invalid attribute names only.
    debug_assert!(outcome.is_ok());
}

/// Whether the page is dark now.
pub(crate) fn is_dark(choice: ThemeChoice) -> bool {
    match choice {
        ThemeChoice::System => dom::media("(prefers-color-scheme: dark)"),
        ThemeChoice::Light => false,
        ThemeChoice::Dark => true,
    }
}

/// The theme of figures, read from the tokens that hold now.
pub(crate) fn read(dark: bool) -> Theme {
    let fallback = if dark { Theme::dark() } else { Theme::light() };
    let style = dom::document()
        .document_element()
        .and_then(|root| dom::window().get_computed_style(&root).ok().flatten());
    let Some(style) = style else { return fallback };
    let colour = |name: &str, other: Rgb| token(&style, name).unwrap_or(other);
    let mut policies = fallback.policies;
    for (place, policy) in policies.iter_mut().zip(POLICIES) {
        *place = colour(&format!("--policy-{}", policy.name), *place);
    }
    Theme {
        scale: dom::window().device_pixel_ratio().clamp(1.0, 4.0),
        paper: colour("--paper", fallback.paper),
        ink: colour("--ink", fallback.ink),
        soft: colour("--soft", fallback.soft),
        rule: colour("--rule", fallback.rule),
        cached: colour("--cached", fallback.cached),
        computed: colour("--computed", fallback.computed),
        accent: colour("--accent", fallback.accent),
        policies,
        sans: style.get_property_value("--sans").map_or(fallback.sans.clone(), |text| text.trim().to_owned()),
        ..fallback
    }
}

/// A token of the form `#rrggbb`.
fn token(style: &CssStyleDeclaration, name: &str) -> Option<Rgb> {
    let text = style.get_property_value(name).ok()?;
    let digits = text.trim().strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    Some(Rgb(part(0)?, part(2)?, part(4)?))
}
