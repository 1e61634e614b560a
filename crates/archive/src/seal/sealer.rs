use std::io::{self, Write};

use ambient::Rng;

use super::{CHUNK, Keyed, Passphrase, TAG};

/// Writes what it is given sealed, or as it is.
pub(crate) enum Sealer<W> {
    Plain(W),
    Sealed(Box<Sealing<W>>),
}

pub(crate) struct Sealing<W> {
    out: W,
    keyed: Keyed,
    number: u32,
    /// The chunk that is not written yet: only at the end it is known to be the last.
    chunk: Vec<u8>,
}

// === impl Sealer ===

impl<W: Write> Sealer<W> {
    pub(crate) fn new(out: W, passphrase: Option<&Passphrase>, rng: &Rng) -> io::Result<Self> {
        match passphrase {
            None => Ok(Self::Plain(out)),
            Some(passphrase) => Ok(Self::Sealed(Box::new(Sealing::new(out, Keyed::fresh(passphrase, rng)?)?))),
        }
    }

    /// Writes what is left; nothing may follow.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(out) => Ok(out),
            Self::Sealed(sealing) => sealing.finish(),
        }
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Sealed(sealing) => sealing.take(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            // A chunk that is not full stays: the next bytes belong to it.
            Self::Sealed(sealing) => sealing.out.flush(),
        }
    }
}

// === impl Sealing ===

impl<W: Write> Sealing<W> {
    pub(super) fn new(mut out: W, keyed: Keyed) -> io::Result<Self> {
        out.write_all(&keyed.header)?;
        Ok(Self { out, keyed, number: 0, chunk: Vec::with_capacity(CHUNK + TAG) })
    }

    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK {
            self.write_chunk(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.write_chunk(true)?;
        Ok(self.out)
    }

    fn write_chunk(&mut self, is_last: bool) -> io::Result<()> {
        self.keyed.seal(self.number, is_last, &mut self.chunk)?;
        self.out.write_all(&self.chunk)?;
        self.chunk.clear();
        let too_large = || io::Error::other("the backup is too large to be encrypted");
        self.number = self.number.checked_add(1).ok_or_else(too_large)?;
        Ok(())
    }
}
