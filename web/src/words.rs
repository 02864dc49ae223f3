//! Numbers as readers see them. Counts, times and shares are written as the figures write them.

pub use atr_core::figure::units::{grouped, percent, plural, short, time, time_us};

/// A file size: `612 B`, `37.2 MB`.
pub fn bytes(size: u64) -> String {
    if size < 1_000 { format!("{size} B") } else { format!("{}B", short(size)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes(612), "612 B");
        assert_eq!(bytes(37_200_000), "37.2 MB");
    }
}
