use std::io::{self, Read, Write};

use ambient::Rng;
use serde::Serialize;

use crate::hashed::Hashed;
use crate::manifest::Entry;
use crate::seal::{Passphrase, Sealer};
use crate::{Error, FORMAT, FORMAT_NAME, MANIFEST_NAME, Manifest, Name, Result};

/// How hard it is tried to make it small.
const LEVEL: i32 = 3;
/// Mode of a file in the tar, for those who unpack it by hand.
const MODE: u32 = 0o600;

type Compressed<W> = zstd::Encoder<'static, Sealer<W>>;

/// Writes an archive.
pub struct Writer<W: Write> {
    tar: tar::Builder<Compressed<W>>,
    entries: Vec<Entry>,
    made_at: u64,
}

// === impl Writer ===

impl<W: Write> Writer<W> {
    /// Begins an archive, encrypted if there is a passphrase. `made_at` is in seconds since the epoch.
    pub fn new(out: W, passphrase: Option<&Passphrase>, rng: &Rng, made_at: u64) -> Result<Self> {
        let encoder = zstd::Encoder::new(Sealer::new(out, passphrase, rng)?, LEVEL)?;
        let mut writer = Self { tar: tar::Builder::new(encoder), entries: Vec::new(), made_at };
        let format = FORMAT.to_string();
        writer.append(FORMAT_NAME, format.len() as u64, format.as_bytes())?;
        Ok(writer)
    }

    /// Adds a part.
    pub fn add(&mut self, name: &Name, bytes: &[u8]) -> Result<()> {
        self.add_from(name, bytes.len() as u64, bytes)
    }

    /// Adds a part of exactly so many bytes.
    pub fn add_from(&mut self, name: &Name, bytes: u64, input: impl Read) -> Result<()> {
        let name = name.to_string();
        let sha256 = self.append(&name, bytes, input)?;
        self.entries.push(Entry { name, bytes, sha256 });
        Ok(())
    }

    /// Writes the manifest and what is left; whoever forces it to the disk has a whole archive.
    pub fn finish<A: Serialize>(mut self, about: A) -> Result<(W, Manifest<A>)> {
        let manifest = Manifest { about, entries: std::mem::take(&mut self.entries) };
        let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other)?;
        self.append(MANIFEST_NAME, text.len() as u64, &text[..])?;
        let out = self.tar.into_inner()?.finish()?.finish()?;
        Ok((out, manifest))
    }

    /// Adds an entry; its SHA-256.
    fn append(&mut self, name: &str, bytes: u64, input: impl Read) -> Result<String> {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes);
        header.set_mode(MODE);
        header.set_mtime(self.made_at);
        let mut hashed = Hashed::new(input.take(bytes));
        self.tar.append_data(&mut header, name, &mut hashed)?;
        let (read, sha256) = hashed.finish();
        if read < bytes {
            // Its header has promised more.
            return Err(Error::Io(io::Error::from(io::ErrorKind::UnexpectedEof)));
        }
        Ok(sha256)
    }
}
