use std::io;

use crate::FORMAT;
use crate::seal::Broken;

/// An archive could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused.
    #[error("{0}")]
    Io(io::Error),
    /// It is something else.
    #[error("this is no backup of Enginehouse")]
    Foreign,
    /// It is encrypted, and no passphrase was given.
    #[error("this backup is encrypted: give its passphrase (--passphrase-file)")]
    NeedsPassphrase,
    /// A passphrase was given for nothing.
    #[error("this backup is not encrypted, but a passphrase was given: is it the file that you mean?")]
    NotSealed,
    /// The first chunk cannot be decrypted.
    #[error("the passphrase is wrong, or the beginning of the backup was changed")]
    WrongPassphrase,
    /// A later chunk cannot be decrypted, or a checksum is wrong.
    #[error("this backup was changed or damaged ({0}); nothing of it can be trusted")]
    Damaged(String),
    /// It ends too early.
    #[error("this backup is cut short; copy it again, or take another")]
    CutShort,
    /// A newer version wrote it.
    #[error("this backup has format {0}, and this version reads {FORMAT}; take a newer version of Enginehouse")]
    Newer(u32),
    /// It holds something that no backup holds.
    #[error("this backup holds {0}, which no version of Enginehouse writes; nothing of it can be trusted")]
    Hostile(String),
}

/// Result of writing or reading an archive.
pub type Result<T, E = Error> = std::result::Result<T, E>;

// === impl Error ===

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Broken>()) {
            Some(Broken::First) => return Self::WrongPassphrase,
            Some(Broken::Later(chunk)) => return Self::Damaged(format!("chunk {chunk} of the encryption")),
            Some(Broken::Cut) => return Self::CutShort,
            None => {}
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutShort,
            // What the decompressor and the reader of tars say of bytes that they cannot make sense of.
            io::ErrorKind::InvalidData | io::ErrorKind::Other if error.raw_os_error().is_none() => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Io(error),
        }
    }
}
