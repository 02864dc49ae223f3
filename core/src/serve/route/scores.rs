//! What a router thought of each replica when it picked one.

/// Scores of one decision: the highest is picked, so costs are negative. Kept only where they are asked for. The engine has
/// one of them for all of its decisions, so that routers need no memory of their own to compare replicas.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    kept: Option<Vec<Option<f64>>>,
    values: Vec<f64>,
}

impl Scores {
    /// Of decisions that keep none.
    pub fn off() -> Self {
        Scores::default()
    }

    /// Of decisions over so many replicas.
    pub fn on(replicas: u32) -> Self {
        Scores { kept: Some(vec![None; replicas as usize]), values: Vec::new() }
    }

    /// Whether they are kept: work for scores alone can be left out where they are not.
    pub fn kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Notes the score of one replica.
    pub fn set(&mut self, replica: u32, score: f64) {
        if let Some(place) = self.kept.as_mut().and_then(|kept| kept.get_mut(replica as usize)) {
            // A cost of nothing is 0, not -0.
            *place = Some(score + 0.0);
        }
    }

    /// The scores of all replicas, to choose from; those that are not considered score minus infinity and are not noted.
    pub fn of(&mut self, values: impl Iterator<Item = f64>) -> &[f64] {
        self.values.clear();
        self.values.extend(values);
        if self.kept() {
            for replica in 0..self.values.len() {
                let value = self.values[replica];
                if value > f64::NEG_INFINITY {
                    self.set(replica as u32, value);
                }
            }
        }
        &self.values
    }

    /// The scores to choose from, as `of` left them.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// What was noted, all of it; null where a replica was not considered. The next decision begins with nothing.
    pub fn take(&mut self) -> Vec<Option<f64>> {
        let Some(kept) = &mut self.kept else { return Vec::new() };
        let none = vec![None; kept.len()];
        std::mem::replace(kept, none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_considered_is_not_noted() {
        let mut scores = Scores::on(3);
        assert_eq!(scores.of([-1.0, f64::NEG_INFINITY, 2.0].into_iter()), [-1.0, f64::NEG_INFINITY, 2.0]);
        assert_eq!(scores.take(), [Some(-1.0), None, Some(2.0)]);
        let mut scores = Scores::off();
        assert_eq!(scores.of([4.0].into_iter()), [4.0]);
        assert_eq!(scores.take(), []);
    }

    #[test]
    fn nothing_has_no_sign() {
        let mut scores = Scores::on(3);
        scores.set(0, -0.0);
        scores.set(2, -1.5);
        assert_eq!(serde_json::to_string(&scores.take()).unwrap(), "[0.0,null,-1.5]");
        assert_eq!(scores.take(), [None; 3]);
    }
}
