use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA256};

/// Sums up what is read.
pub(crate) struct Hashed<R> {
    input: R,
    read: u64,
    digest: Context,
}

// === impl Hashed ===

impl<R: Read> Hashed<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, read: 0, digest: Context::new(&SHA256) }
    }

    /// How many bytes were read, and their SHA-256.
    pub(crate) fn finish(self) -> (u64, String) {
        (self.read, hex::encode(self.digest.finish()))
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(out)?;
        self.digest.update(&out[..length]);
        self.read += length as u64;
        Ok(length)
    }
}
