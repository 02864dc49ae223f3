//! What a probe says: everything it measured, and under which circumstances.

use super::peaks::fastest;
use super::shape::Shape;
use super::step::{FEW_ROWS, Weights};
use super::{clocks, fit};
use crate::gpu::device::About;
use crate::table::Table;
use atr_core::figure::units;
use atr_core::report::{
    Checked, Measured, Origin, Peaks, Probe, Probed, ProbedGpu, ProbedModel, Provenance, Report, UnderLoad,
};

/// Said wherever figures of a probe show.
pub(crate) const LABEL: &str = "probe, random weights";

/// What a probe came to, before it is put together.
pub(crate) struct Found {
    pub(crate) about: About,
    /// What `nvidia-smi` said before and after.
    pub(crate) seen: [Option<String>; 2],
    /// What it said while prompts ran.
    pub(crate) under_load: Option<UnderLoad>,
    pub(crate) shape: Shape,
    pub(crate) weights: Weights,
    pub(crate) dtype: String,
    pub(crate) checks: Vec<Checked>,
    pub(crate) results: Probed,
}

/// The report of a probe that was made by this command on this day; the fit is made here.
pub(crate) fn report(found: Found, command: String, date: String) -> Report<Probe> {
    let Found { about, seen, under_load, shape, weights, dtype, checks, results } = found;
    let kinds = fit::kinds(&results, weights, shape.heads / shape.kv_heads);
    let (fit, no_fit) = match fit::fitted(&fit::points(&kinds)) {
        Ok(fit) => (Some(fit), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let fit_by_kind = fit.as_ref().map(|fit| fit::by_kind(&kinds, fit)).unwrap_or_default();
    let title = format!("{} in {dtype} on {} ({LABEL})", shape.name, about.name);
    let provenance = Provenance {
        command,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        inputs: Vec::new(),
        machine: Some(format!("{}, driver for CUDA {}", about.name, about.driver_cuda())),
        created: Some(date),
    };
    let mut notes = notes(&shape, weights);
    notes.extend(from_cache(&results, about.l2_bytes, shape.layers));
    let body = Probe {
        label: LABEL.to_owned(),
        peaks: peaks(&about.name, &results),
        gpu: gpu(about, seen, under_load),
        model: model(&shape),
        dtype,
        checks,
        results,
        fit,
        no_fit,
        fit_by_kind,
        notes,
    };
    Report::new(Origin::Measured, title, provenance, body)
}

/// What a reader must know.
fn notes(shape: &Shape, weights: Weights) -> Vec<String> {
    let mut notes = vec![
        "A step without embeddings, sampling and all that an engine does on the CPU; weights are random. Peaks are the \
         fastest product and a copy of this very run."
            .to_owned(),
        "Few new tokens behind a long prefix are held up by reading it, for which a profile has no term: such prompts, by the \
         copy and the fastest prefill attention of this run, are timed and no part of the fit."
            .to_owned(),
        "Bytes and operations are the fewest that the work needs; a share of bandwidth beyond 1 means that a cache served it."
            .to_owned(),
    ];
    if weights == Weights::Four {
        notes.push(format!(
            "Four-bit weights of more than {FEW_ROWS} rows are unpacked to memory and then multiplied, which no good engine \
             does: times of prompts, and of decoding more than {FEW_ROWS} sequences, are too long by the unpacking, and say \
             nothing of an engine's kernels. The fit leaves such decode steps out; its `prompt` term holds the unpacking. Up \
             to {FEW_ROWS} rows one kernel reads the packed weights once, for tensor cores. It reads the rows again for every \
             16 columns, or 32 beyond 8 rows: of 8 and of 16 rows twice the bytes of the weights, of {FEW_ROWS} four times, \
             from caches. Where its share of bandwidth is low, its time speaks for this kernel and not for an engine's."
        ));
    }
    notes.extend(shape.aside());
    notes
}

/// Says which repetitions go through no more bytes than the second-level cache holds. What stands between products and
/// attention has the same numbers in each layer, all else has weights, keys and values of its own.
fn from_cache(results: &Probed, l2_bytes: u64, layers: u64) -> Option<String> {
    let Probed { products, pieces, prefill_attention, decode_attention, .. } = results;
    let (again, own): (Vec<&Measured>, _) = pieces.iter().partition(|piece| piece.sizes[1] == 0);
    let own = own.into_iter().chain(products).chain(prefill_attention).chain(decode_attention);
    let each = again.into_iter().map(|piece| (piece, piece.bytes / layers as f64));
    let all = each.chain(own.map(|measured| (measured, measured.bytes)));
    let within = all.filter(|(_, bytes)| *bytes <= l2_bytes as f64);
    let mut kinds: Vec<(&str, Vec<String>)> = Vec::new();
    for (Measured { what, sizes: [first, second], .. }, _) in within {
        let place = kinds.iter().position(|(kind, _)| kind == what);
        let place = place.unwrap_or_else(|| {
            kinds.push((what, Vec::new()));
            kinds.len() - 1
        });
        let size = if *second == 0 { first.to_string() } else { format!("{first}/{second}") };
        kinds[place].1.push(size);
    }
    let names = kinds.iter().map(|(kind, sizes)| format!("{kind} ({})", sizes.join(", ")));
    let (names, mb) = (names.collect::<Vec<String>>().join(", "), l2_bytes as f64 / 1e6);
    (!names.is_empty()).then(|| {
        format!(
            "The second-level cache of {mb:.0} MB may hold all that these repetitions go through, so that they are no measure \
             of the memory: {names}."
        )
    })
}

fn gpu(about: About, [before, after]: [Option<String>; 2], under_load: Option<UnderLoad>) -> ProbedGpu {
    let compute_capability = about.compute_capability();
    let driver_cuda = about.driver_cuda();
    let About { name, memory_bytes, multiprocessors, l2_bytes, .. } = about;
    ProbedGpu {
        name,
        compute_capability,
        memory_bytes,
        multiprocessors,
        l2_bytes,
        driver_cuda,
        before,
        after,
        under_load,
    }
}

fn model(shape: &Shape) -> ProbedModel {
    let Shape { layers, hidden, heads, kv_heads, dim, inter, vocabulary, head_norms, tied, .. } = *shape;
    let Shape { rope_base, context, .. } = *shape;
    ProbedModel {
        name: shape.name.clone(),
        layers,
        hidden,
        heads,
        kv_heads,
        dim,
        inter,
        vocabulary,
        head_norms,
        tied,
        rope_base,
        context,
    }
}

fn peaks(gpu: &str, results: &Probed) -> Peaks {
    let stated = fit::stated(gpu);
    Peaks {
        stated_flops_per_s: stated.as_ref().map(|stated| stated.gpu.flops_per_s),
        stated_bytes_per_s: stated.as_ref().map(|stated| stated.gpu.bytes_per_s),
        measured_flops_per_s: fastest(results),
        measured_bytes_per_s: results.copy.bytes_per_s,
    }
}

/// A report in words.
pub(crate) fn readable(report: &Report<Probe>) -> String {
    let Probe { gpu: ProbedGpu { before, after, under_load, .. }, results, .. } = &report.body;
    let seen = |said: &Option<String>| said.clone().unwrap_or_else(|| "not known".to_owned());
    let load = under_load.as_ref().map(clocks::words);
    let [before, load, after] = [before, &load, after].map(seen);
    let mut text =
        format!("measured: {}\nbefore: {before}\nunder load: {load}\nafter: {after}\n\n", report.title);
    for check in &report.body.checks {
        let error = check.error.map_or("no number".to_owned(), |error| format!("{error:.1e}"));
        let verdict = if check.good { "good" } else { "WRONG" };
        text.push_str(&format!("{verdict}: {}, error {error}, limit {:.0e}\n", check.what, check.limit));
    }
    let Probed { launches, left_out, no_room, .. } = results;
    text.push_str(&format!(
        "\na launch: {:.2} µs alone, {:.2} µs in a graph\n\n{}",
        launches.single_us,
        launches.graph_us,
        table(&report.body)
    ));
    if !left_out.is_empty() {
        text.push_str(&format!("\nleft out: {}\n", left_out.join("; ")));
    }
    if !no_room.is_empty() {
        text.push_str(&format!("\nno room in memory: {}\n", no_room.join("; ")));
    }
    text.push('\n');
    text.push_str(&prefixes(results));
    text.push_str(&fitted(&report.body));
    for note in &report.body.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

/// What prefixes cost that were timed both ways: computed with what follows them, and found in pages.
fn prefixes(results: &Probed) -> String {
    let mut text = String::new();
    for reused in results.prefill_graphs.iter().filter(|prompt| prompt.sizes[1] > 0) {
        let [new, cached] = reused.sizes;
        let Some(whole) = results.prefill_graphs.iter().find(|prompt| prompt.sizes == [new + cached, 0])
        else {
            continue;
        };
        let ms = |measured: &Measured| units::time(measured.times.median_us / 1e3);
        text.push_str(&format!(
            "prefix of {} tokens before {}: computed again {}, reused {}\n",
            units::grouped(cached),
            units::grouped(new),
            ms(whole),
            ms(reused)
        ));
    }
    text
}

/// How well the fit does, or why there is none.
fn fitted(body: &Probe) -> String {
    if let Some(why) = &body.no_fit {
        return format!("no fit: {why}\n");
    }
    let percent = |share: f64| units::percent(Some(share));
    let mut text = String::new();
    if let Some(held_out) = body.fit.as_ref().and_then(|fit| fit.held_out) {
        let (mean, max) = (percent(held_out.errors.mean), percent(held_out.errors.max));
        text.push_str(&format!(
            "fit, held-out points {}: mean error {mean}, largest {max}\n",
            held_out.points
        ));
    }
    for of in &body.fit_by_kind {
        let (mean, bias) = (percent(of.errors.mean), percent(of.bias));
        text.push_str(&format!("fit, {}, points {}: mean error {mean}, bias {bias}\n", of.kind, of.points));
    }
    text
}

fn table(body: &Probe) -> String {
    let mut table = Table::new(&[
        "what",
        "size",
        "by",
        "median µs",
        "p10–p90 µs",
        "TFLOP/s",
        "GB/s",
        "of measured peak",
        "of stated peak",
    ]);
    let Probed { copy, products, pieces, prefill_attention, decode_attention, .. } = &body.results;
    let Probed { prefills, prefill_graphs, decodes, decode_graphs, mixed, .. } = &body.results;
    let parts = [products, pieces, prefill_attention, decode_attention];
    let steps = [prefills, prefill_graphs, decodes, decode_graphs];
    let listed = parts.into_iter().chain(steps).flatten();
    let mixed = mixed.iter().map(|step| &step.measured);
    for measured in std::iter::once(copy).chain(listed).chain(mixed) {
        let Measured { what, sizes, times, flops_per_s, bytes_per_s, .. } = measured;
        let Peaks { stated_flops_per_s, stated_bytes_per_s, measured_flops_per_s, measured_bytes_per_s } =
            body.peaks;
        let of = |flops: Option<f64>, bytes: Option<f64>| {
            let shares = [flops.map(|peak| flops_per_s / peak), bytes.map(|peak| bytes_per_s / peak)];
            // What is nearer to its peak is what holds the work up.
            shares.into_iter().flatten().max_by(f64::total_cmp)
        };
        table.row(vec![
            what.clone(),
            units::grouped(sizes[0]),
            units::grouped(sizes[1]),
            format!("{:.1}", times.median_us),
            format!("{:.1}–{:.1}", times.p10_us, times.p90_us),
            format!("{:.1}", flops_per_s / 1e12),
            format!("{:.0}", bytes_per_s / 1e9),
            units::percent(of(Some(measured_flops_per_s), Some(measured_bytes_per_s))),
            units::percent(of(stated_flops_per_s, stated_bytes_per_s)),
        ]);
    }
    table.render()
}
