//! Least squares on small dense matrices, plain and with unknowns from 0 on.
//!
//! Orthogonal triangles by Householder's reflections; the active-set method of Lawson and Hanson (Solving Least
//! Squares Problems, chapter 23) on top. Everything in one order, so that every platform gives the same bits.

/// A gradient below this share of the right side's length is rounding.
const ROUNDING: f64 = 1e-12;

/// An upper triangle with its right side: as many equations as unknowns, with the same least squares as those
/// that it was made from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Triangle {
    /// Column by column, each as long as there are columns.
    pub(super) columns: Vec<Vec<f64>>,
    pub(super) rhs: Vec<f64>,
    /// Sum of squares that no solution can remove.
    pub(super) rest: f64,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Length of a vector.
pub(super) fn norm(a: &[f64]) -> f64 {
    libm::sqrt(dot(a, a))
}

/// Makes the triangle. There must be at least as many rows as columns.
pub(super) fn triangle(mut columns: Vec<Vec<f64>>, mut rhs: Vec<f64>) -> Triangle {
    let size = columns.len();
    for place in 0..size {
        let mut mirror = columns[place][place..].to_vec();
        let length = norm(&mirror);
        if length == 0.0 {
            continue;
        }
        // Away from the present sign, so that nothing cancels.
        mirror[0] += if mirror[0] < 0.0 { -length } else { length };
        let square = dot(&mirror, &mirror);
        for column in columns[place..].iter_mut().chain([&mut rhs]) {
            let twice = 2.0 * dot(&mirror, &column[place..]) / square;
            for (value, mirrored) in column[place..].iter_mut().zip(&mirror) {
                *value -= twice * mirrored;
            }
        }
    }
    let rest = dot(&rhs[size..], &rhs[size..]);
    for (place, column) in columns.iter_mut().enumerate() {
        column.truncate(size);
        column[place + 1..].fill(0.0);
    }
    rhs.truncate(size);
    Triangle { columns, rhs, rest }
}

impl Triangle {
    /// The unknowns, by substitution from the last. One that nothing depends on is 0.
    pub(super) fn solve(&self) -> Vec<f64> {
        let mut rhs = self.rhs.clone();
        for place in (0..rhs.len()).rev() {
            let diagonal = self.columns[place][place];
            rhs[place] = if diagonal == 0.0 { 0.0 } else { rhs[place] / diagonal };
            for above in 0..place {
                rhs[above] -= rhs[place] * self.columns[place][above];
            }
        }
        rhs
    }

    /// The diagonal of the inverse of (triangle transposed × triangle): variances, up to a factor.
    pub(super) fn spreads(&self) -> Vec<f64> {
        let size = self.rhs.len();
        let mut sums = vec![0.0; size];
        for unit in 0..size {
            let rhs = (0..size).map(|row| if row == unit { 1.0 } else { 0.0 }).collect();
            let column = Triangle { rhs, ..self.clone() }.solve();
            for (sum, value) in sums.iter_mut().zip(column) {
                *sum += value * value;
            }
        }
        sums
    }
}

/// Unknowns from 0 on with the least sum of squares of `columns · x − rhs`.
pub(super) fn nnls(columns: &[Vec<f64>], rhs: &[f64]) -> Vec<f64> {
    let size = columns.len();
    let bound = ROUNDING * norm(rhs);
    let mut x = vec![0.0; size];
    let mut free = vec![false; size];
    // Unknowns that rounding lets look promising and that turn out below 0.
    let mut refused = vec![false; size];
    // The method ends by itself; the bound is against rounding that would make it go around.
    for _ in 0..10 * size + 10 {
        let mut left = rhs.to_vec();
        for (column, &value) in columns.iter().zip(&x) {
            left.iter_mut().zip(column).for_each(|(left, a)| *left -= a * value);
        }
        let promising = (0..size)
            .filter(|&place| !free[place] && !refused[place])
            .map(|place| (place, dot(&columns[place], &left) / norm(&columns[place]).max(f64::MIN_POSITIVE)))
            .filter(|&(_, gain)| gain > bound);
        let Some((next, _)) = promising.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))) else { break };
        free[next] = true;
        if try_free(columns, rhs, &mut x, &mut free, next) {
            refused.fill(false);
        } else {
            refused[next] = true;
        }
    }
    x
}

/// Goes to the best place of the free unknowns, and where some fall below 0 on the way, binds them. Returns false,
/// with nothing changed but `next` bound again, where `next` itself would fall below 0.
fn try_free(columns: &[Vec<f64>], rhs: &[f64], x: &mut [f64], free: &mut [bool], next: usize) -> bool {
    for round in 0.. {
        let places: Vec<usize> = (0..x.len()).filter(|&place| free[place]).collect();
        let chosen = places.iter().map(|&place| columns[place].clone()).collect();
        let trial = triangle(chosen, rhs.to_vec()).solve();
        if round == 0 && places.iter().zip(&trial).any(|(&place, &value)| place == next && value <= 0.0) {
            free[next] = false;
            return false;
        }
        let below = |&(&place, &value): &(&usize, &f64)| value <= 0.0 && free[place];
        let pairs = || places.iter().zip(&trial);
        let shares = pairs().filter(below).map(|(&place, &value)| (place, x[place] / (x[place] - value)));
        let Some((first, share)) = shares.min_by(|a, b| a.1.total_cmp(&b.1)) else {
            pairs().for_each(|(&place, &value)| x[place] = value);
            return true;
        };
        for (&place, &value) in places.iter().zip(&trial) {
            x[place] += share * (value - x[place]);
        }
        // At least the one that bounds the way.
        x[first] = 0.0;
        for &place in &places {
            if x[place] <= 0.0 {
                (x[place], free[place]) = (0.0, false);
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Columns (1,1) and (1,−1), right side (1,3): without bounds x = (2,−1); with them the second is 0 and the
    /// first is (1,1)·(1,3)/2 = 2. And (1,1,0), (0,0,1) with (2,1,1): 1.5 and 1.
    #[test]
    fn hand_solved_cases() {
        assert_close(&nnls(&[vec![1.0, 1.0], vec![1.0, -1.0]], &[1.0, 3.0]), &[2.0, 0.0]);
        assert_close(&nnls(&[vec![1.0, 1.0, 0.0], vec![0.0, 0.0, 1.0]], &[2.0, 1.0, 1.0]), &[1.5, 1.0]);
        assert_close(&nnls(&[vec![1.0, 0.0]], &[-1.0, 4.0]), &[0.0]);
        assert_close(&nnls(&[], &[1.0]), &[]);
    }

    /// Normal equations of (1,1,1), (1,2,3) with (1,2,2): x = (2/3, 1/2), rest 1/6; their inverse has the
    /// diagonal 14/6 and 3/6.
    #[test]
    fn plain_least_squares_by_hand() {
        let made = triangle(vec![vec![1.0; 3], vec![1.0, 2.0, 3.0]], vec![1.0, 2.0, 2.0]);
        assert_close(&made.solve(), &[2.0 / 3.0, 0.5]);
        assert_close(&[made.rest], &[1.0 / 6.0]);
        assert_close(&made.spreads(), &[14.0 / 6.0, 0.5]);
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        }
    }

    fn misfit(columns: &[Vec<f64>], rhs: &[f64], x: &[f64]) -> f64 {
        let row =
            |row: usize| columns.iter().zip(x).map(|(column, x)| column[row] * x).sum::<f64>() - rhs[row];
        (0..rhs.len()).map(|at| row(at) * row(at)).sum()
    }

    /// Every set of free unknowns by Gauss's elimination of the normal equations; of those without a negative
    /// one the best.
    fn by_brute_force(columns: &[Vec<f64>], rhs: &[f64]) -> f64 {
        let size = columns.len();
        let mut best = misfit(columns, rhs, &vec![0.0; size]);
        for set in 1u32..1 << size {
            let places: Vec<usize> = (0..size).filter(|place| set >> place & 1 == 1).collect();
            let mut rows: Vec<Vec<f64>> = places
                .iter()
                .map(|&a| {
                    let products = places.iter().map(|&b| dot(&columns[a], &columns[b]));
                    products.chain([dot(&columns[a], rhs)]).collect()
                })
                .collect();
            let Some(values) = eliminate(&mut rows) else { continue };
            if values.iter().all(|&value| value >= 0.0) {
                let mut x = vec![0.0; size];
                places.iter().zip(values).for_each(|(&place, value)| x[place] = value);
                best = best.min(misfit(columns, rhs, &x));
            }
        }
        best
    }

    fn eliminate(rows: &mut [Vec<f64>]) -> Option<Vec<f64>> {
        let size = rows.len();
        for at in 0..size {
            let pivot = (at..size).max_by(|&a, &b| rows[a][at].abs().total_cmp(&rows[b][at].abs()))?;
            rows.swap(at, pivot);
            if rows[at][at].abs() < 1e-9 {
                return None;
            }
            let head = rows[at].clone();
            for (number, row) in rows.iter_mut().enumerate().filter(|(number, _)| *number != at) {
                let factor = row[at] / head[at];
                let _ = number;
                row.iter_mut().zip(&head).for_each(|(value, head)| *value -= factor * head);
            }
        }
        Some((0..size).map(|at| rows[at][size] / rows[at][at]).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        /// Small whole numbers, so that ties and dependent columns occur.
        #[test]
        fn no_active_set_is_better(
            columns in (1usize..6, 5usize..9).prop_flat_map(|(columns, rows)| {
                prop::collection::vec(prop::collection::vec((-4i8..5).prop_map(f64::from), rows), columns + 1)
            }),
        ) {
            let (rhs, columns) = columns.split_last().unwrap();
            let x = nnls(columns, rhs);
            prop_assert!(x.iter().all(|&value| value >= 0.0 && value.is_finite()));
            let (found, best) = (misfit(columns, rhs, &x), by_brute_force(columns, rhs));
            prop_assert!(found <= best + 1e-7 * (1.0 + best), "{found} is above {best}");
        }
    }
}
