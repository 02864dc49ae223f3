//! Lines of a text that may be longer, or less of a text, than hoped: each has a number and a limit.

use std::io::{self, BufRead, Read};

/// Longest line that is read into memory: far above any session, far below a file of zeros.
pub const MAX_LINE_BYTES: u64 = 256 << 20;

/// Reads lines one by one into one buffer.
pub struct Lines<'a> {
    input: &'a mut dyn BufRead,
    /// Number of the line read last, from 1.
    number: u64,
    bytes: Vec<u8>,
}

impl<'a> Lines<'a> {
    /// Lines of `input`.
    pub fn new(input: &'a mut dyn BufRead) -> Self {
        Lines { input, number: 0, bytes: Vec::new() }
    }

    /// The number of the line read last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is not blank, without its end; `None` after the last.
    ///
    /// # Errors
    /// Those of the reader, and lines that are too long. There is nothing to read after either.
    pub fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            self.bytes.clear();
            self.number += 1;
            let mut limited = (&mut *self.input).take(MAX_LINE_BYTES + 1);
            let got = limited.read_until(b'\n', &mut self.bytes)?;
            if got == 0 {
                return Ok(None);
            }
            if self.bytes.len() as u64 > MAX_LINE_BYTES {
                let why = format!("the line is longer than {MAX_LINE_BYTES} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            if !self.bytes.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(self.bytes.trim_ascii()));
            }
        }
    }

    /// The line read last.
    pub fn line(&self) -> &[u8] {
        self.bytes.trim_ascii()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_are_counted_but_not_given() {
        let mut input: &[u8] = b"a\n\n  \r\nb\r\nlast";
        let mut lines = Lines::new(&mut input);
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            let line = String::from_utf8(line.to_vec()).unwrap();
            seen.push((lines.number(), line));
        }
        let expected = [(1, "a"), (4, "b"), (5, "last")];
        assert_eq!(seen, expected.map(|(number, line)| (number, line.to_owned())));
    }

    #[test]
    fn an_endless_line_is_an_error_and_not_a_full_memory() {
        let mut input = io::BufReader::new(io::repeat(0));
        let mut lines = Lines::new(&mut input);
        assert_eq!(lines.next_line().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
