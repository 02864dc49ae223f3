//! What somebody may have meant who wrote a name that there is not.

/// The accepted name that is nearest to what was found, as an insertion for errors; empty where none is near. A name
/// ends before what it takes: at `=` or `:`.
pub fn did_you_mean(found: &str, known: &str) -> String {
    let name = |text| str::split(text, ['=', ':']).next().unwrap_or("").trim();
    let found = name(found);
    let wanted = found.to_ascii_lowercase();
    let most = wanted.chars().count().div_ceil(3).min(4);
    let distance = |known: &str| {
        // Who leaves out a part of a name, or adds one, means it, too.
        let within = wanted.len() > 2 && (known.starts_with(&wanted) || wanted.starts_with(known));
        if within { 1 } else { edits(&wanted, known) }
    };
    let names = known.split(", ").map(name).filter(|known| !known.is_empty());
    // A name that is right is not what is wrong; and what is longer than any name is none.
    if wanted.len() > 80 || names.clone().any(|known| known == found) {
        return String::new();
    }
    match names.map(|known| (distance(known), known)).min_by_key(|(edits, _)| *edits) {
        Some((edits, known)) if edits <= most => format!(" (did you mean `{known}`?)"),
        _ => String::new(),
    }
}

/// Letters to put in, take out, replace or swap with their neighbour to make one text of another.
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: [Vec<usize>; 3] = [Vec::new(), Vec::new(), (0..=to.len()).collect()];
    for i in 0..from.len() {
        rows.rotate_left(1);
        let mut row = vec![i + 1];
        for j in 0..to.len() {
            let replaced = rows[1][j] + usize::from(from[i] != to[j]);
            let mut least = replaced.min(rows[1][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from[i] == to[j - 1] && from[i - 1] == to[j] {
                least = least.min(rows[0][j - 1] + 1);
            }
            row.push(least);
        }
        rows[2] = row;
    }
    rows[2][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: one letter put in, taken out, replaced, swapped; and none alike.
    #[test]
    fn edits_are_counted() {
        let cases = [("lru", "lfu", 1), ("fcsf", "fcfs", 1), ("radx", "radix", 1), ("slotss", "slots", 1)];
        for (from, to, expected) in cases {
            assert_eq!((edits(from, to), edits(to, from)), (expected, expected), "{from} {to}");
        }
        assert_eq!((edits("", "abc"), edits("abc", ""), edits("kitten", "sitting")), (3, 3, 3));
    }

    #[test]
    fn only_what_is_near_is_suggested() {
        let known = "round-robin, random, least-load, masking:N";
        assert_eq!(did_you_mean("roundrobin", known), " (did you mean `round-robin`?)");
        assert_eq!(did_you_mean("Least_Load", known), " (did you mean `least-load`?)");
        assert_eq!(did_you_mean("maskin:3", known), " (did you mean `masking`?)");
        assert_eq!(did_you_mean("least", known), " (did you mean `least-load`?)");
        assert_eq!(did_you_mean("best", known), "");
        assert_eq!(did_you_mean("", known), "");
        // Its name is right, what it takes is not.
        assert_eq!(did_you_mean("masking:x", known), "");
    }
}
