use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use store::PostgresUrl;

use crate::{Home, OpenError};

/// A restore into this home was cut off before its database had anything.
#[derive(Debug, thiserror::Error)]
#[error(
    "a restore into {0} was cut off, and its database has nothing yet: run `enginehouse restore FILE` again, with the same \
     ENGINEHOUSE_DATABASE_URL"
)]
pub struct Unfinished(PathBuf);

/// What became of a restore that was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There was none.
    None,
    /// All is there, and the mark is gone.
    Whole,
    /// The home is there, and its database is empty.
    Nothing,
}

/// Sees to it that no restore into the home was cut off, before anything opens its store: that would make tables.
pub(crate) async fn settle(home: &Home, database: Option<&PostgresUrl>) -> Result<(), OpenError> {
    match look(home, database).await? {
        Outcome::None => Ok(()),
        Outcome::Whole => {
            tracing::info!("a restore that was cut off had done everything but its last step, which is done now");
            Ok(())
        }
        Outcome::Nothing => Err(Unfinished(home.path().to_owned()).into()),
    }
}

pub(super) async fn look(home: &Home, database: Option<&PostgresUrl>) -> Result<Outcome, store::Error> {
    let Ok(mark) = fs::read_to_string(home.restoring()) else { return Ok(Outcome::None) };
    match database {
        Some(url) if url.has_mark(mark.trim()).await? => {
            remove(home, url).await;
            Ok(Outcome::Whole)
        }
        _ => Ok(Outcome::Nothing),
    }
}

/// Writes the mark into a home that is being made.
pub(super) fn write(home: &Path, mark: &str) -> io::Result<()> {
    let path = Home::at(home).restoring();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(mark.as_bytes())?;
    file.sync_all()
}

/// Takes the mark away: of the home first, so that the database can still be asked while it is there.
pub(super) async fn remove(home: &Home, url: &PostgresUrl) {
    let removed = fs::remove_file(home.restoring()).and_then(|()| File::open(home.path())?.sync_all());
    if let Err(error) = removed {
        tracing::warn!(path = %home.restoring().display(), %error, "the mark of a restore is left; the next start takes it away");
    } else if let Err(error) = url.clear_mark().await {
        tracing::warn!(%error, "the mark of a restore is left among the settings, and does no harm");
    }
}
