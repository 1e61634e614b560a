use std::fs;
use std::path::Path;

use store::{CopyPart, CopyRow, Dump, Load, Location};

use super::{BackupError, Doing, Progress, Step};

/// Rows that go over at once.
pub(super) const PAGE: [(CopyPart, u32); 2] = [(CopyPart::Ledger, 2_000), (CopyPart::Main, 50)];

/// Copies all rows of the store in the folder `home` into one that is being filled, and removes the first.
pub(super) async fn transfer(home: &Path, load: &mut Load, progress: &Progress) -> Result<(), BackupError> {
    let mut dump = Dump::begin(&Location::Home(home.to_owned())).await?;
    for part in CopyPart::ALL {
        for table in dump.tables(part).await? {
            let (mut last, mut done): (Option<CopyRow>, u64) = (None, 0);
            loop {
                let mut rows = dump.rows(part, &table, last.as_ref(), page(part)).await?;
                if rows.is_empty() {
                    break;
                }
                load.insert(part, &table, &rows).await?;
                let before = done;
                done += rows.len() as u64;
                last = rows.pop();
                progress.tell(&Step { doing: Doing::Filling, part, table: &table.name, before, rows: done, of: None });
            }
        }
    }
    drop(dump);
    remove(home)
}

/// Rows of a part that are read at once: those of the books are small, others can be large.
pub(super) fn page(part: CopyPart) -> u32 {
    PAGE.iter().find(|(of, _)| *of == part).map_or(1, |(_, page)| *page)
}

/// Removes the files of the store: what they held is elsewhere.
fn remove(home: &Path) -> Result<(), BackupError> {
    for part in CopyPart::ALL {
        for path in part.files(home) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(BackupError::io("remove", path)(error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}
