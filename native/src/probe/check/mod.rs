//! Every kernel against the reference in double precision, at sizes that leave no page and no tile full; and samples of what is
//! timed, at its sizes.

mod attention;
mod timed;

pub(crate) use timed::timed;

use crate::gpu::device::{Device, uploaded};
use crate::gpu::half::{from_bytes, to_bytes};
use crate::gpu::op::{Op, Ptr, SCALE_GROUP};
use crate::gpu::reference;
use crate::gpu::sizes::{Build, Half};
use atr_core::report::Checked;
use atr_core::synth::Chance;

const EPS: f64 = 1e-6;
/// Rows, inner size and columns of products of packed weights: rows that fill a tile and one more, columns that fill no block,
/// and groups of 128 fewer than a block's warps, more, and more than all of them hold at once.
const PACKED: [[u64; 3]; 6] =
    [[1, 128, 24], [5, 4_352, 17], [8, 1_280, 40], [9, 2_560, 33], [16, 256, 72], [32, 2_304, 40]];

struct Check<'a> {
    device: &'a mut dyn Device,
    build: Build,
    chance: Chance,
    found: Vec<Checked>,
}

/// Checks every kernel.
///
/// # Errors
/// When the device fails; that a kernel is wrong is no error but said.
pub(crate) fn kernels(device: &mut dyn Device, build: Build) -> anyhow::Result<Vec<Checked>> {
    let mut check = Check { device, build, chance: Chance::new(7), found: Vec::new() };
    check.copy()?;
    check.fill()?;
    check.norm()?;
    check.silu()?;
    check.products()?;
    check.attention()?;
    Ok(check.found)
}

impl Check<'_> {
    /// Random numbers, as the device has them and as the reference reads them.
    fn random(&mut self, count: u64) -> anyhow::Result<(Ptr, Vec<f64>)> {
        let numbers: Vec<f64> = (0..count).map(|_| self.chance.uniform() * 2.0 - 1.0).collect();
        let bytes = to_bytes(&numbers, self.build.half);
        Ok((uploaded(self.device, &bytes)?, from_bytes(&bytes, self.build.half)))
    }

    /// Room for results, poisoned: what is not written is no number.
    fn poisoned(&mut self, count: u64) -> anyhow::Result<Ptr> {
        uploaded(self.device, &vec![0xff; count as usize * 2])
    }

    fn read(&mut self, from: Ptr, count: usize) -> anyhow::Result<Vec<f64>> {
        let mut bytes = vec![0; count * 2];
        self.device.download(from, &mut bytes)?;
        Ok(from_bytes(&bytes, self.build.half))
    }

    fn ints(&mut self, numbers: &[u32]) -> anyhow::Result<Ptr> {
        uploaded(self.device, &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())
    }

    /// Holds what lies at `out` against what is expected.
    fn compare(&mut self, what: &str, out: Ptr, expected: &[f64]) -> anyhow::Result<()> {
        let found = self.read(out, expected.len())?;
        let error = reference::error(&found, expected);
        let limit = self.limit();
        self.judge(what, error, limit);
        Ok(())
    }

    /// Operands are exact; results are rounded once or twice, and attention's weights once more.
    fn limit(&self) -> f64 {
        if self.build.half == Half::Bf16 { 1e-2 } else { 2e-3 }
    }

    /// Holds a number against 0.
    fn judge(&mut self, what: &str, error: f64, limit: f64) {
        let error = error.is_finite().then_some(error);
        let good = error.is_some_and(|error| error <= limit);
        self.found.push(Checked { what: what.to_owned(), error, limit, good });
    }

    /// A copy that leaves no round of the kernel full, and one of fewer pieces than it has threads: every byte, and none behind.
    fn copy(&mut self) -> anyhow::Result<()> {
        let threads = u64::from(self.device.about().multiprocessors) * 8 * 256;
        for (what, pieces) in [("copy", 4 * threads + 1_003), ("short copy", 7)] {
            let bytes = pieces * 16;
            let place = |at: u64| (at as u32).wrapping_mul(2_654_435_761).to_le_bytes();
            let mut held: Vec<u8> = (0..bytes / 4).flat_map(place).collect();
            let from = uploaded(self.device, &held)?;
            held.extend([0xff; 16]);
            let to = uploaded(self.device, &vec![0xff; held.len()])?;
            self.device.run(&[Op::Copy { from, to, bytes }])?;
            let mut found = vec![0; held.len()];
            self.device.download(to, &mut found)?;
            let wrong = found.iter().zip(&held).filter(|(found, held)| found != held).count();
            self.judge(what, wrong as f64 / held.len() as f64, 1e-12);
            self.device.free(from)?;
            self.device.free(to)?;
        }
        Ok(())
    }

    /// Made-up numbers by their mean, their variance and the zeros among them: even ones up to `scale` away from `centre`
    /// have a variance of scale² / 3. Limits are five standard errors.
    fn fill(&mut self) -> anyhow::Result<()> {
        let (count, centre, scale) = (100_003_u64, 0.25_f64, 0.5_f64);
        let out = self.poisoned(count + 1)?;
        let fill = Op::Fill { out, count, seed: 3, centre: centre as f32, scale: scale as f32 };
        self.device.run(&[fill])?;
        let mut found = self.read(out, count as usize + 1)?;
        let behind = found.pop().unwrap_or_default();
        let n = count as f64;
        let mean = found.iter().sum::<f64>() / n;
        let variance = found.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / n;
        let zeros = found.iter().filter(|&&x| x == 0.0).count() as f64;
        self.judge("mean of a fill", (mean - centre).abs() / scale, 5.0 / (3.0 * n).sqrt());
        // The square of an even number has a variance of 4/45.
        let expected = scale * scale / 3.0;
        self.judge("variance of a fill", (variance / expected - 1.0).abs(), 5.0 * (0.8 / n).sqrt());
        self.judge("zeros of a fill", zeros / n, 1e-3);
        self.judge("end of a fill", if behind.is_nan() { 0.0 } else { 1.0 }, 0.5);
        Ok(())
    }

    fn norm(&mut self) -> anyhow::Result<()> {
        // The last has more pieces of 16 bytes than a block has threads.
        for (rows, width, with_sum) in [(3_u64, 256_u64, true), (3, 640, false), (2, 8_448, true)] {
            let ((x, xs), (y, ys)) = (self.random(rows * width)?, self.random(rows * width)?);
            let (weight, weights) = self.random(width)?;
            let out = self.poisoned(rows * width)?;
            let y = if with_sum { y } else { 0 };
            self.device.run(&[Op::AddNorm { x, y, weight, out, rows, width }])?;
            let sums: Vec<f64> = if with_sum { xs.iter().zip(&ys).map(|(x, y)| x + y).collect() } else { xs };
            let rows = sums.chunks_exact(width as usize);
            let expected: Vec<f64> = rows.flat_map(|row| reference::norm(row, &weights, EPS)).collect();
            self.compare(&format!("sum of {width}"), x, &sums)?;
            self.compare(&format!("norm of {width}"), out, &expected)?;
        }
        Ok(())
    }

    fn silu(&mut self) -> anyhow::Result<()> {
        // The last takes two blocks a row.
        for (rows, width) in [(5_u64, 128_u64), (2, 2_304)] {
            let (both, numbers) = self.random(rows * 2 * width)?;
            let out = self.poisoned(rows * width)?;
            self.device.run(&[Op::Silu { both, out, rows, width }])?;
            let rows = numbers.chunks_exact(2 * width as usize).map(|row| row.split_at(width as usize));
            let expected: Vec<f64> = rows.flat_map(|(gate, up)| reference::silu(gate, up)).collect();
            self.compare(&format!("activation of {width}"), out, &expected)?;
        }
        Ok(())
    }

    fn products(&mut self) -> anyhow::Result<()> {
        let (rows, inner, columns) = (5_u64, 256_u64, 72_u64);
        let (x, xs) = self.random(rows * inner)?;
        let (weight, weights) = self.random(columns * inner)?;
        let out = self.poisoned(rows * columns)?;
        self.device.run(&[Op::Gemm { x, weight, out, rows, inner, columns }])?;
        self.compare("matrix product", out, &reference::product(&xs, &weights, inner as usize))?;
        let (packed, scales, weights) = self.packed(columns * inner)?;
        let out = self.poisoned(columns * inner)?;
        self.device.run(&[Op::Unpack4 { packed, scales, out, weights: columns * inner }])?;
        self.compare("unpacked weights", out, &weights)?;
        PACKED.into_iter().try_for_each(|sizes| self.packed_product(sizes))
    }

    fn packed_product(&mut self, [rows, inner, columns]: [u64; 3]) -> anyhow::Result<()> {
        let (x, xs) = self.random(rows * inner)?;
        let (packed, scales, weights) = self.packed(columns * inner)?;
        let out = self.poisoned(rows * columns)?;
        self.device.run(&[Op::Product4 { x, packed, scales, out, rows, inner, columns }])?;
        let what = format!("product of packed weights, rows {rows}, {inner} by {columns}");
        self.compare(&what, out, &reference::product(&xs, &weights, inner as usize))
    }

    /// Random packed weights, their scales, and what both come to.
    fn packed(&mut self, count: u64) -> anyhow::Result<(Ptr, Ptr, Vec<f64>)> {
        let words: Vec<u32> = (0..count / 8).map(|_| self.chance.bits() as u32).collect();
        let packed = self.ints(&words)?;
        let (scales, factors) = self.random(count / SCALE_GROUP)?;
        let one = |place| reference::unpacked(&words, &factors, SCALE_GROUP as usize, place);
        Ok((packed, scales, (0..count as usize).map(one).collect()))
    }
}
