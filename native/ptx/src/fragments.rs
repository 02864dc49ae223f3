//! Matrices that a warp holds together, as the *PTX ISA* lays them out.

use crate::{Half, Lanes, WARP};

/// Rows and columns of a product, and how many numbers each of them sums.
const ROWS: usize = 16;
const COLUMNS: usize = 8;
const INNER: usize = 16;
/// Operations of one product.
pub(crate) const FLOPS: u64 = 2 * (ROWS * COLUMNS * INNER) as u64;
/// Bytes of a row that `ldmatrix` reads: eight numbers.
pub(crate) const ROW_BYTES: u64 = 16;

/// Where a pair of numbers of `a` lies: row, and column of its first.
fn of_a(register: usize, lane: usize) -> (usize, usize) {
    (lane / 4 + 8 * (register % 2), lane % 4 * 2 + 8 * (register / 2))
}

/// `a` · `b` + `c`. Registers of `a` and `b` hold two numbers, the first in the lower half; `c` is float.
pub(crate) fn multiply(half: Half, a: &[Lanes], b: &[Lanes], c: &[Lanes]) -> Vec<Lanes> {
    let pair = |word: u64| [half.widen(word as u16), half.widen((word >> 16) as u16)];
    let mut left = [[0.0; INNER]; ROWS];
    let mut right = [[0.0; COLUMNS]; INNER];
    for lane in 0..WARP {
        for (register, words) in a.iter().enumerate() {
            let (row, column) = of_a(register, lane);
            left[row][column..column + 2].copy_from_slice(&pair(words[lane]));
        }
        for (register, words) in b.iter().enumerate() {
            let row = lane % 4 * 2 + 8 * register;
            let [first, second] = pair(words[lane]);
            (right[row][lane / 4], right[row + 1][lane / 4]) = (first, second);
        }
    }
    // Plain loops: tests run this without optimisation, millions of times.
    let mut sums = [[0.0; COLUMNS]; ROWS];
    for (sums, left) in sums.iter_mut().zip(&left) {
        for (left, right) in left.iter().zip(&right) {
            for column in 0..COLUMNS {
                sums[column] += left * right[column];
            }
        }
    }
    let one = |(register, before): (usize, &Lanes)| {
        let mut made = [0; WARP];
        for (lane, made) in made.iter_mut().enumerate() {
            let (row, column) = (lane / 4 + 8 * (register / 2), lane % 4 * 2 + register % 2);
            let before = f64::from(f32::from_bits(before[lane] as u32));
            *made = u64::from(((before + sums[row][column]) as f32).to_bits());
        }
        made
    };
    c.iter().enumerate().map(one).collect()
}

/// Four matrices of eight by eight, a register each; lane `l` names row `l % 8` of matrix `l / 8`.
pub(crate) fn load(rows: &[Vec<u64>], transposed: bool) -> Vec<Lanes> {
    let number = |matrix: usize, row: usize, column: usize| {
        let (row, column) = if transposed { (column, row) } else { (row, column) };
        rows[8 * matrix + row][column]
    };
    let one = |matrix| {
        std::array::from_fn(|lane| {
            let (row, column) = (lane / 4, lane % 4 * 2);
            number(matrix, row, column) | number(matrix, row, column + 1) << 16
        })
    };
    (0..4).map(one).collect()
}
