use std::fmt;
use std::path::{Path, PathBuf};

use crate::segment;

/// Places listed at most; the bytes of all are counted.
const MAX_LISTED: usize = 64;

/// Something in the spool that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment's file.
    pub file: PathBuf,
    /// Where in the file.
    pub offset: u64,
    /// How much is lost, as far as that is known.
    pub bytes: u64,
    /// What is wrong.
    pub kind: DamageKind,
}

/// What is wrong with a place in the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The file was not there.
    Missing,
    /// The file was shorter than it was made.
    Short,
    /// The header does not say which records to expect.
    Header,
    /// Bytes between valid records are none.
    Gap,
    /// Records that were safe on disk are not there.
    Tail,
    /// A record is intact but says nothing that this version understands.
    Record,
}

/// Collects damage while the books are opened.
pub(crate) struct Report<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) damage: Vec<Damage>,
    pub(crate) bytes: u64,
    /// Whether records may be gone that somebody has already seen.
    pub(crate) in_doubt: bool,
}

// === impl Damage ===

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            DamageKind::Missing => "the file was missing",
            DamageKind::Short => "the file was cut short",
            DamageKind::Header => "the header is damaged",
            DamageKind::Gap => "bytes between records are damaged",
            DamageKind::Tail => "records at the end are gone",
            DamageKind::Record => "a record cannot be understood",
        };
        write!(f, "{} at byte {}: {what} ({} bytes)", self.file.display(), self.offset, self.bytes)
    }
}

// === impl Report ===

impl<'a> Report<'a> {
    pub(crate) fn new(dir: &'a Path) -> Self {
        Self { dir, damage: Vec::new(), bytes: 0, in_doubt: false }
    }

    pub(crate) fn add(&mut self, slot: usize, offset: u64, bytes: u64, kind: DamageKind) {
        let damage = Damage { file: segment::path(self.dir, slot), offset, bytes, kind };
        tracing::warn!(%damage, "part of the spool is damaged; the rest is used");
        self.bytes = self.bytes.saturating_add(bytes);
        self.in_doubt = true;
        if self.damage.len() < MAX_LISTED {
            self.damage.push(damage);
        }
    }
}
