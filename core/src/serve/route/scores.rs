//! What a router thought of each replica when it picked one.

/// Scores of one decision: the highest is picked, so costs are negative. Kept only where they are asked for.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    kept: Option<Vec<Option<f64>>>,
}

impl Scores {
    /// Of a run that keeps none.
    pub fn off() -> Self {
        Scores::default()
    }

    /// Of a decision over so many replicas.
    pub fn on(replicas: u32) -> Self {
        Scores { kept: Some(vec![None; replicas as usize]) }
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

    /// All of them; null where a replica was not considered.
    pub fn into_values(self) -> Vec<Option<f64>> {
        self.kept.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_sign() {
        let mut scores = Scores::on(3);
        scores.set(0, -0.0);
        scores.set(2, -1.5);
        assert_eq!(serde_json::to_string(&scores.into_values()).unwrap(), "[0.0,null,-1.5]");
    }
}
