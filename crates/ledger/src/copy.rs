use std::io;
use std::path::{Path, PathBuf};

use crate::header::Block;
use crate::segment::{self, SegmentFile};

/// The segment files of the spool in `dir`, the one that is written first, then ever older ones; those that were never
/// written are left out. None where there is no spool.
///
/// Copied in this order while a gateway writes, they are a spool as it was when the first was copied: an older segment
/// changes only by being used again, and then all that it held is in the store. So copy the store after the spool.
pub fn segment_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let count = match segment::count_slots(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        count => count?,
    };
    let mut files = Vec::with_capacity(count);
    for slot in 0..count {
        match SegmentFile::open(dir, slot).and_then(|file| file.header()) {
            Ok(Block::Valid(header)) => files.push((header.seal.segment, segment::path(dir, slot))),
            // Damaged ones are somebody's books all the same.
            Ok(Block::Damaged | Block::Foreign(_)) => files.push((0, segment::path(dir, slot))),
            Ok(Block::Blank) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    files.sort_by(|a, b| b.cmp(a));
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{open_with, request, small};

    #[test]
    fn the_segment_that_is_written_comes_first() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(segment_files(&home.path().join("nowhere")).unwrap(), Vec::<PathBuf>::new());
        let (books, _) = open_with(home.path(), small());
        assert_eq!(segment_files(home.path()).unwrap().len(), 1);
        while segment_files(home.path()).unwrap().len() < 3 {
            // Ended at once: what runs keeps room for its end.
            drop(books.admit(request(&"r".repeat(200))).unwrap());
        }
        let files = segment_files(home.path()).unwrap();
        let names: Vec<_> = files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["segment-0002", "segment-0001", "segment-0000"]);
    }
}
