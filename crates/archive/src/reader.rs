use std::io::{self, BufReader, Read};
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::hashed::Hashed;
use crate::manifest::Entry;
use crate::seal::{MAGIC, Opener, Passphrase};
use crate::{
    Error, FORMAT, FORMAT_NAME, MANIFEST_NAME, MAX_MANIFEST_BYTES, MAX_PART_BYTES, MAX_PARTS, Manifest, Name, Result,
};

/// Memory that decompressing may take, as a power of two.
const MAX_WINDOW_LOG: u32 = 27;

type Input<R> = zstd::Decoder<'static, BufReader<Opener<R>>>;

/// A part as it is read.
pub struct Part<'a> {
    /// What it is.
    pub name: Name,
    /// Bytes.
    pub bytes: u64,
    content: &'a mut dyn Read,
}

/// Whether a file is encrypted.
pub fn is_sealed(path: &Path) -> io::Result<bool> {
    let mut magic = [0; 8];
    let mut file = std::fs::File::open(path)?;
    Ok(file.read_exact(&mut magic).is_ok() && magic == *MAGIC)
}

/// Reads an archive to its end, and shows every part to `visit` on the way. Only when this has returned it is known
/// that the parts were what they should be: nothing may rely on them before.
pub fn read<R: Read, A: DeserializeOwned, E: From<Error>>(
    input: R,
    passphrase: Option<&Passphrase>,
    mut visit: impl FnMut(&mut Part<'_>) -> Result<(), E>,
) -> Result<Manifest<A>, E> {
    let mut tar = open(input, passphrase)?;
    let mut seen: Vec<Entry> = Vec::new();
    let mut manifest = None;
    // Raw: long names and the like are no entries of ours, and must not be taken in before they are judged.
    for (index, entry) in tar.entries().map_err(Error::from)?.raw(true).enumerate() {
        let mut entry = entry.map_err(Error::from)?;
        if manifest.is_some() {
            return Err(Error::Hostile("something behind its manifest".to_owned()).into());
        }
        let (name, bytes) = judge(&entry)?;
        match (index, name.as_str()) {
            (0, FORMAT_NAME) => check_format(&mut entry)?,
            (0, _) => return Err(Error::Foreign.into()),
            (_, MANIFEST_NAME) => manifest = Some(read_manifest(&mut entry, bytes)?),
            _ if seen.len() == MAX_PARTS => return Err(Error::Hostile(format!("more than {MAX_PARTS} parts")).into()),
            _ => seen.push(show(name, bytes, &mut entry, &mut visit)?),
        }
    }
    let manifest: Manifest<A> = manifest.ok_or(Error::CutShort)?;
    compare(&manifest.entries, &seen)?;
    expect_end(tar.into_inner())?;
    Ok(manifest)
}

// === impl Part ===

impl Part<'_> {
    /// All of it, where that is no more than `most` bytes.
    pub fn whole(&mut self, most: u64) -> Result<Vec<u8>> {
        if self.bytes > most {
            return Err(Error::Hostile(format!("{} with {} bytes", self.name, self.bytes)));
        }
        let mut bytes = Vec::new();
        self.content.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Read for Part<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.content.read(out)
    }
}

fn open<R: Read>(input: R, passphrase: Option<&Passphrase>) -> Result<tar::Archive<Input<R>>> {
    let mut decoder = zstd::Decoder::with_buffer(BufReader::new(Opener::new(input, passphrase)?))?.single_frame();
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    Ok(tar::Archive::new(decoder))
}

/// Name and size of an entry, if it is a plain file of a bearable size.
fn judge(entry: &tar::Entry<'_, impl Read>) -> Result<(String, u64)> {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    if entry.header().entry_type() != tar::EntryType::Regular {
        return Err(Error::Hostile(format!("{name:?}, which is no plain file")));
    }
    match entry.size() {
        bytes if bytes <= MAX_PART_BYTES => Ok((name, bytes)),
        bytes => Err(Error::Hostile(format!("{name:?} with {bytes} bytes"))),
    }
}

fn check_format(entry: &mut impl Read) -> Result<()> {
    let mut text = String::new();
    entry.take(16).read_to_string(&mut text)?;
    match text.trim().parse() {
        Ok(FORMAT) => Ok(()),
        Ok(newer) => Err(Error::Newer(newer)),
        Err(_) => Err(Error::Foreign),
    }
}

fn read_manifest<A: DeserializeOwned>(entry: &mut impl Read, bytes: u64) -> Result<Manifest<A>> {
    if bytes > MAX_MANIFEST_BYTES {
        return Err(Error::Hostile(format!("a manifest of {bytes} bytes")));
    }
    let mut text = Vec::new();
    entry.read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(|error| Error::Damaged(format!("its manifest cannot be read: {error}")))
}

/// Shows a part, and says what it was.
fn show<E: From<Error>>(
    name: String,
    bytes: u64,
    entry: &mut impl Read,
    visit: &mut impl FnMut(&mut Part<'_>) -> Result<(), E>,
) -> Result<Entry, E> {
    let parsed: Name = name.parse().map_err(|error: crate::UnfitName| Error::Hostile(error.to_string()))?;
    let mut hashed = Hashed::new(entry);
    visit(&mut Part { name: parsed, bytes, content: &mut hashed })?;
    io::copy(&mut hashed, &mut io::sink()).map_err(Error::from)?;
    let (read, sha256) = hashed.finish();
    if read != bytes {
        return Err(Error::CutShort.into());
    }
    Ok(Entry { name, bytes, sha256 })
}

fn compare(expected: &[Entry], seen: &[Entry]) -> Result<()> {
    if let Some((wrong, _)) = expected.iter().zip(seen).find(|(expected, seen)| expected != seen) {
        return Err(Error::Damaged(format!("{} is not what the manifest says", wrong.name)));
    }
    if expected.len() != seen.len() {
        return Err(Error::Damaged(format!("{} parts where the manifest names {}", seen.len(), expected.len())));
    }
    Ok(())
}

/// Nothing follows, neither compressed nor sealed; reading that is what shows that nothing was cut off.
fn expect_end<R: Read>(mut input: Input<R>) -> Result<()> {
    let mut rest = [0; 1 << 12];
    loop {
        match input.read(&mut rest)? {
            0 => break,
            // A tar ends with zeros.
            length if rest[..length].iter().all(|byte| *byte == 0) => {}
            _ => return Err(Error::Hostile("something behind its end".to_owned())),
        }
    }
    match input.finish().read(&mut rest)? {
        0 => Ok(()),
        _ => Err(Error::Hostile("something behind its end".to_owned())),
    }
}
