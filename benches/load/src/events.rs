//! The few things that a client of the benchmark reads out of an answer.

use memchr::{memchr, memmem};

/// Reads an answer, however its bytes arrive.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The start of a line whose end has not come yet.
    pending: Vec<u8>,
    /// Whether `[DONE]` came.
    pub(crate) is_done: bool,
    /// Lines that are no event and nothing else that HTTP or SSE put there.
    pub(crate) is_odd: bool,
}

// === impl Events ===

impl Events {
    /// Takes the next bytes; calls `sent` with the time at which each chunk in them was sent.
    pub(crate) fn push(&mut self, bytes: &[u8], mut sent: impl FnMut(u64)) {
        self.pending.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(end) = memchr(b'\n', &self.pending[at..]) {
            let line = &self.pending[at..at + end];
            at += end + 1;
            if line.starts_with(b"data: [DONE]") {
                self.is_done = true;
            } else if line.starts_with(b"data: ") {
                if let Some(time) = created(line) {
                    sent(time);
                }
            } else if line.len() > 64 {
                self.is_odd = true;
            }
        }
        self.pending.drain(..at);
    }
}

/// The time in a chunk; the chunks at the end of an answer have none.
fn created(line: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"created\":";
    let start = memmem::find(line, NAME)? + NAME.len();
    let digits = line[start..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number: u64, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_however_the_bytes_arrive() {
        let answer = b"HTTP/1.1 200 OK\r\n\r\n2f\r\ndata: {\"created\":12,\"x\":1}\n\n\r\ndata: {\"created\":345}\n\ndata: [DONE]\n\n";
        for size in 1..answer.len() {
            let (mut events, mut times) = (Events::default(), Vec::new());
            for piece in answer.chunks(size) {
                events.push(piece, |time| times.push(time));
            }
            assert_eq!(times, [12, 345]);
            assert!(events.is_done && !events.is_odd);
        }
    }
}
