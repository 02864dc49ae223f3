//! From a fit to a profile.

use super::coefficients::UsPer;
use super::fit::{Errors, Fit, FittedTerm, HeldOut};
use super::profile::{Costs, Fitted, FittedFrom, OfPeak, Profile, ProfileOrigin};

impl Profile {
    /// This profile's accelerator and model with fitted costs.
    pub fn fitted(&self, name: &str, fit: Fit, origin: ProfileOrigin, from: FittedFrom) -> Profile {
        let (how, times) = match origin {
            ProfileOrigin::Probed => ("probed", "timed steps"),
            ProfileOrigin::Calibrated => ("calibrated", "times of calls that a server answered"),
            _ => ("fitted to a simulation", "simulated times, which say nothing of the hardware"),
        };
        Profile {
            name: name.to_owned(),
            title: format!("{}, {how}", self.title),
            origin,
            source: format!(
                "non-negative least squares on {} {times}; shapes and peaks as in {}",
                fit.points, self.name
            ),
            costs: Costs::Fitted(Box::new(self.rounded(fit, from))),
            ..self.clone()
        }
    }

    /// What the file holds, in digits that come back as they were written.
    fn rounded(&self, fit: Fit, from: FittedFrom) -> Fitted {
        let us_per = UsPer::from_values(fit.us_per.values().map(short));
        let of_peak = self.of_peak(&us_per);
        Fitted {
            us_per,
            of_peak: OfPeak {
                prefill_compute: of_peak.prefill_compute.map(short),
                attention_compute: of_peak.attention_compute.map(short),
                kv_bandwidth: of_peak.kv_bandwidth.map(short),
                weights_bandwidth: of_peak.weights_bandwidth.map(short),
            },
            terms: fit
                .terms
                .into_iter()
                .map(|term| FittedTerm { standard_error_us: term.standard_error_us.map(short), ..term })
                .collect(),
            points: fit.points,
            r2: fit.r2.map(short),
            residuals: short_errors(fit.residuals),
            held_out: fit.held_out.map(|held| HeldOut { errors: short_errors(held.errors), ..held }),
            from,
        }
    }
}

fn short_errors(errors: Errors) -> Errors {
    let Errors { mean, p50, p90, max } = errors;
    Errors { mean: short(mean), p50: short(p50), p90: short(p90), max: short(max) }
}

/// Nine digits: more than any clock gives, and few enough that every reader of decimal numbers finds the same.
fn short(value: f64) -> f64 {
    format!("{value:.8e}").parse().unwrap_or(value)
}
