//! Numbers as header values, written where no memory has to be asked for but the value's own.

use http::HeaderValue;

/// Bytes of two numbers and what stands around them.
const MAX: usize = 48;

/// Digits of the largest number.
const MAX_DIGITS: usize = 20;

/// A short text of numbers. What does not fit is left out: nothing of ours is that long.
#[derive(Debug)]
pub(crate) struct Figures {
    bytes: [u8; MAX],
    length: usize,
}

// === impl Figures ===

impl Figures {
    /// Begins with a number.
    pub(crate) fn of(number: u64) -> Self {
        Self { bytes: [0; MAX], length: 0 }.number(number)
    }

    /// Adds a number.
    pub(crate) fn number(self, number: u64) -> Self {
        self.padded(number, 1)
    }

    /// Adds a number with zeros before it, where it has fewer digits than `width`.
    pub(crate) fn padded(self, mut number: u64, width: usize) -> Self {
        let (mut digits, mut at) = ([b'0'; MAX_DIGITS], MAX_DIGITS);
        while number > 0 {
            at -= 1;
            digits[at] += u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
        }
        self.bytes(&digits[at.min(MAX_DIGITS - width.min(MAX_DIGITS))..])
    }

    /// Adds a text.
    pub(crate) fn text(self, text: &'static str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// As a header's value.
    pub(crate) fn value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.bytes[..self.length]).unwrap_or(HeaderValue::from_static("0"))
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        if let Some(room) = self.bytes.get_mut(self.length..self.length + bytes.len()) {
            room.copy_from_slice(bytes);
            self.length += bytes.len();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 1, 9, 10, 99, 100, 12_345, u64::MAX - 1, u64::MAX] {
            assert_eq!(Figures::of(number).value(), number.to_string());
        }
        assert_eq!(Figures::of(1).text(".").padded(7, 3).value(), "1.007");
        assert_eq!(Figures::of(0).text(".").padded(0, 3).value(), "0.000");
        assert_eq!(Figures::of(6).text("m").number(0).text("s").value(), "6m0s");
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let most = Figures::of(u64::MAX).number(u64::MAX).text("12345678");
        assert_eq!(most.number(9).value().len(), MAX);
    }
}
