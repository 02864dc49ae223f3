//! Numbers as readers see them. Counts, times and shares are written as the figures write them.

pub use atr_core::figure::units::{grouped, percent, short, time, time_us};

/// A file size: `612 B`, `37.2 MB`.
pub fn bytes(size: u64) -> String {
    if size < 1_000 { format!("{size} B") } else { format!("{}B", short(size)) }
}

/// `1 call`, `33 calls`.
pub fn plural(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {one}s", grouped(number)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_plurals() {
        assert_eq!(bytes(612), "612 B");
        assert_eq!(bytes(37_200_000), "37.2 MB");
        assert_eq!(plural(1, "call"), "1 call");
        assert_eq!(plural(0, "call"), "0 calls");
        assert_eq!(plural(4_000, "call"), "4,000 calls");
    }
}
