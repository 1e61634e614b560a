use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Bytes of a second of audio where no header says otherwise: 128 kbit/s, as common compressed formats have.
const BYTES_PER_SECOND: u32 = 16_000;

/// Bytes of a second that a header is believed: 48 kHz, stereo, 32 bits. More would make the audio cheaper than it is.
const MAX_BYTES_PER_SECOND: u32 = 384_000;

/// Audio that is being sent, as far as it was seen.
#[derive(Debug, Default)]
pub(crate) struct Audio {
    bytes: AtomicU64,
    /// Bytes of one second; 0 while it is not known.
    rate: AtomicU32,
}

// === impl Audio ===

impl Audio {
    /// Notes what was seen so far: the file's first bytes, and how many there are.
    pub(crate) fn saw(&self, head: &[u8], bytes: u64) {
        self.bytes.store(bytes, Relaxed);
        if let Some(rate) = wav_rate(head) {
            self.rate.store(rate, Relaxed);
        }
    }

    /// Its length in milliseconds, by its WAV header, else by its size.
    pub(crate) fn millis(&self) -> u64 {
        let rate = match self.rate.load(Relaxed) {
            0 => BYTES_PER_SECOND,
            rate => rate,
        };
        self.bytes.load(Relaxed).saturating_mul(1_000) / u64::from(rate)
    }

    /// Seconds that `bytes` of a kind that is not known yet are taken for.
    pub(crate) fn guess_seconds(bytes: u64) -> u64 {
        bytes.div_ceil(u64::from(BYTES_PER_SECOND))
    }
}

/// Bytes of one second according to a WAV header, where it agrees with itself: engines go by samples and not by this field.
fn wav_rate(head: &[u8]) -> Option<u32> {
    let is_wav = head.starts_with(b"RIFF") && head.get(8..16) == Some(b"WAVEfmt ");
    let number = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let (samples, rate) = (number(24).filter(|_| is_wav)?, number(28)?);
    let bytes_of_sample = u16::from_le_bytes(head.get(32..34)?.try_into().ok()?);
    let agrees = samples.checked_mul(bytes_of_sample.into()) == Some(rate);
    (agrees && (1..=MAX_BYTES_PER_SECOND).contains(&rate)).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(rate: u32) -> Vec<u8> {
        let mut head = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
        head.resize(24, 0);
        head.extend_from_slice(&(rate / 2).to_le_bytes());
        head.extend_from_slice(&rate.to_le_bytes());
        head.extend_from_slice(&2_u16.to_le_bytes());
        head
    }

    #[test]
    fn a_wav_header_tells_the_length_and_else_the_size() {
        let audio = Audio::default();
        assert_eq!(audio.millis(), 0);
        audio.saw(b"ID3", 32_000);
        assert_eq!(audio.millis(), 2_000);
        audio.saw(&wav(64_000), 32_000);
        assert_eq!(audio.millis(), 500);
    }

    #[test]
    fn a_header_that_makes_audio_cheap_is_not_believed() {
        for rate in [0, 400_000, u32::MAX] {
            assert_eq!(wav_rate(&wav(rate)), None);
        }
        assert_eq!(wav_rate(b"RIFF"), None);
        let mut lie = wav(32_000);
        lie[28..32].copy_from_slice(&384_000_u32.to_le_bytes());
        assert_eq!(wav_rate(&lie), None);
    }
}
