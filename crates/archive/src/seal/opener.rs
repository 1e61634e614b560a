use std::io::{self, Read};

use super::{Broken, CHUNK, HEADER, Keyed, MAGIC, Passphrase, TAG, VERSION};
use crate::Error;

/// Reads what a [`Sealer`](super::Sealer) wrote.
pub(crate) enum Opener<R> {
    Plain(io::Chain<io::Cursor<[u8; 8]>, R>),
    Sealed(Box<Opening<R>>),
}

pub(crate) struct Opening<R> {
    input: R,
    keyed: Keyed,
    number: u32,
    /// Opened, and read up to `at`.
    chunk: Vec<u8>,
    at: usize,
    /// Read ahead, still sealed: one is the last if none follows.
    next: Vec<u8>,
    has_ended: bool,
}

// === impl Opener ===

impl<R: Read> Opener<R> {
    pub(crate) fn new(mut input: R, passphrase: Option<&Passphrase>) -> Result<Self, Error> {
        /// How zstd begins.
        const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
        let mut magic = [0; 8];
        input.read_exact(&mut magic).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::Foreign,
            _ => Error::Io(error),
        })?;
        match passphrase {
            _ if magic == *MAGIC => {
                let passphrase = passphrase.ok_or(Error::NeedsPassphrase)?;
                Ok(Self::Sealed(Box::new(Opening::begin(input, passphrase)?)))
            }
            _ if !magic.starts_with(&ZSTD) => Err(Error::Foreign),
            Some(_) => Err(Error::NotSealed),
            None => Ok(Self::Plain(io::Cursor::new(magic).chain(input))),
        }
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(out),
            Self::Sealed(opening) => opening.read(out),
        }
    }
}

// === impl Opening ===

impl<R: Read> Opening<R> {
    fn begin(mut input: R, passphrase: &Passphrase) -> Result<Self, Error> {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(MAGIC);
        input.read_exact(&mut header[8..])?;
        if header[8] != VERSION {
            return Err(Error::Newer(header[8].into()));
        }
        Ok(Self::new(input, Keyed::new(passphrase, header)?)?)
    }

    pub(super) fn new(mut input: R, keyed: Keyed) -> io::Result<Self> {
        let next = read_chunk(&mut input)?;
        Ok(Self { input, keyed, number: 0, chunk: Vec::new(), at: 0, next, has_ended: false })
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() && !self.has_ended {
            self.open_next()?;
        }
        let left = &self.chunk[self.at..];
        let length = left.len().min(out.len());
        out[..length].copy_from_slice(&left[..length]);
        self.at += length;
        Ok(length)
    }

    fn open_next(&mut self) -> io::Result<()> {
        let following = read_chunk(&mut self.input)?;
        self.chunk = std::mem::replace(&mut self.next, following);
        self.at = 0;
        if self.chunk.len() < TAG {
            return Err(io::Error::other(Broken::Cut));
        }
        let is_last = self.next.is_empty();
        if is_last && self.chunk.len() == CHUNK + TAG {
            // Whether it was meant to be the last, only opening tells: if not, there was more.
            let mut other = self.chunk.clone();
            if self.keyed.open(self.number, false, &mut other).is_ok() {
                return Err(io::Error::other(Broken::Cut));
            }
        }
        self.keyed.open(self.number, is_last, &mut self.chunk)?;
        (self.has_ended, self.number) = (is_last, self.number.saturating_add(1));
        Ok(())
    }
}

/// A whole chunk, or what is left; empty at the end.
fn read_chunk(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(CHUNK + TAG);
    input.take((CHUNK + TAG) as u64).read_to_end(&mut chunk)?;
    Ok(chunk)
}
