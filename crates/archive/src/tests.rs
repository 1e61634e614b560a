use std::io::Read as _;

use ambient::Rng;
use serde_json::{Value, json};

use super::*;

const PASSPHRASE: &str = "correct horse battery";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn passphrase() -> Passphrase {
    Passphrase::new(PASSPHRASE).unwrap()
}

fn parts() -> [(Name, Vec<u8>); 3] {
    let noise = Rng::seeded(3).bytes::<100_000>().to_vec();
    [(name("files/secret.key"), b"a secret".to_vec()), (name("spool/g/1"), noise), (name("db/main/keys/0"), Vec::new())]
}

fn archive(passphrase: Option<&Passphrase>) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), passphrase, &Rng::seeded(1), 5).unwrap();
    for (name, bytes) in parts() {
        writer.add(&name, &bytes).unwrap();
    }
    writer.finish(json!({"revision": 7})).unwrap().0
}

/// A manifest, and what is in the parts.
type Contents = (Manifest<Value>, Vec<(Name, Vec<u8>)>);

fn read_back(bytes: &[u8], passphrase: Option<&Passphrase>) -> Result<Contents> {
    let mut found = Vec::new();
    let manifest = read(bytes, passphrase, |part| {
        found.push((part.name.clone(), part.whole(1 << 20)?));
        Ok::<_, Error>(())
    })?;
    Ok((manifest, found))
}

/// An archive with whatever entries somebody makes up.
fn forged(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).unwrap());
    for (path, kind, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_entry_type(*kind);
        // `set_path` would refuse what is to be tried.
        header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn what_was_put_in_comes_out() {
    let (open, sealed) = (archive(None), archive(Some(&passphrase())));
    for (bytes, passphrase) in [(&open, None), (&sealed, Some(passphrase()))] {
        let (manifest, found) = read_back(bytes, passphrase.as_ref()).unwrap();
        assert_eq!((manifest.about, manifest.entries.len()), (json!({"revision": 7}), 3));
        assert_eq!(found, parts());
    }
    assert!(!sealed.windows(8).any(|window| window == b"a secret"));
}

#[test]
fn parts_that_nobody_looks_at_are_checked_all_the_same() {
    let manifest: Manifest<Value> = read(&archive(None)[..], None, |_| Ok::<_, Error>(())).unwrap();
    assert_eq!(manifest.entries[1].bytes, 100_000);
}

#[test]
fn passphrases_are_asked_for_where_they_are_needed_and_only_there() {
    let (open, sealed) = (archive(None), archive(Some(&passphrase())));
    assert!(matches!(read_back(&sealed, None), Err(Error::NeedsPassphrase)));
    assert!(matches!(read_back(&open, Some(&passphrase())), Err(Error::NotSealed)));
    let other = Passphrase::new("wrong horse battery").unwrap();
    assert!(matches!(read_back(&sealed, Some(&other)), Err(Error::WrongPassphrase)));
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let whole = archive(None);
    for end in [0, 3, 8, 100, whole.len() / 2, whole.len() - 200, whole.len() - 1] {
        let error = read_back(&whole[..end], None).unwrap_err();
        assert!(matches!(error, Error::CutShort | Error::Foreign | Error::Damaged(_)), "{end}: {error:?}");
    }
}

#[test]
fn a_changed_byte_is_noticed_wherever_it_is() {
    let whole = archive(None);
    for at in (0..whole.len()).step_by(997) {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        // Where zstd does not care (a bit of its header that means nothing), everything has to come out right.
        if let Ok((_, found)) = read_back(&changed, None) {
            assert_eq!(found, parts(), "{at}");
        }
    }
    assert!(matches!(read_back(&[&whole[..], b"more"].concat(), None), Err(Error::Hostile(_))));
}

#[test]
fn other_files_are_no_backups() {
    for other in [&b""[..], b"short", b"SQLite format 3\0 and more", &[0; 600]] {
        assert!(matches!(read_back(other, None), Err(Error::Foreign)), "{other:?}");
    }
    let tar_of_something = forged(&[("etc/passwd", tar::EntryType::Regular, b"x")]);
    assert!(matches!(read_back(&tar_of_something, None), Err(Error::Foreign)));
    let newer = forged(&[("FORMAT", tar::EntryType::Regular, b"2")]);
    assert!(matches!(read_back(&newer, None), Err(Error::Newer(2))));
}

#[test]
fn hostile_entries_are_refused() {
    use tar::EntryType;
    let format = ("FORMAT", EntryType::Regular, &b"1"[..]);
    let empty = ("MANIFEST.json", EntryType::Regular, &br#"{"about":{},"entries":[]}"#[..]);
    for (path, kind) in [
        ("../../etc/cron.d/x", EntryType::Regular),
        ("/etc/passwd", EntryType::Regular),
        ("files/../../x", EntryType::Regular),
        ("files/link", EntryType::Symlink),
        ("files/hard", EntryType::Link),
        ("files/dir", EntryType::Directory),
        ("././@LongLink", EntryType::GNULongName),
        ("files/device", EntryType::Block),
    ] {
        let error = read_back(&forged(&[format, (path, kind, b""), empty]), None).unwrap_err();
        assert!(matches!(error, Error::Hostile(_)), "{path}: {error:?}");
    }
    let unnamed = read_back(&forged(&[format, ("files/x", EntryType::Regular, b"x"), empty]), None).unwrap_err();
    assert!(matches!(unnamed, Error::Damaged(_)), "{unnamed:?}");
    let behind = read_back(&forged(&[format, empty, ("files/x", EntryType::Regular, b"x")]), None).unwrap_err();
    assert!(matches!(behind, Error::Hostile(_)), "{behind:?}");
    assert!(matches!(read_back(&forged(&[format]), None), Err(Error::CutShort)));
}

#[test]
fn a_part_that_grows_or_shrinks_while_it_is_written_does_not_pass_for_whole() {
    let mut writer = Writer::new(Vec::new(), None, &Rng::seeded(1), 5).unwrap();
    assert!(writer.add_from(&name("spool/g/1"), 10, &b"short"[..]).is_err());
    let mut writer = Writer::new(Vec::new(), None, &Rng::seeded(1), 5).unwrap();
    writer.add_from(&name("spool/g/1"), 5, &b"longer than that"[..]).unwrap();
    let (bytes, _) = writer.finish(json!({})).unwrap();
    assert_eq!(read_back(&bytes, None).unwrap().1[0].1, b"longe");
}

#[test]
fn a_part_that_is_too_large_for_who_reads_it_is_refused() {
    let error = read::<_, Value, Error>(&archive(None)[..], None, |part| part.whole(10).map(drop)).unwrap_err();
    assert!(matches!(error, Error::Hostile(_)), "{error:?}");
}

#[test]
fn it_can_be_unpacked_by_hand() {
    let bytes = archive(None);
    let mut tar = tar::Archive::new(zstd::Decoder::new(&bytes[..]).unwrap());
    let mut entries = tar.entries().unwrap();
    let mut format = String::new();
    entries.next().unwrap().unwrap().read_to_string(&mut format).unwrap();
    assert_eq!(format, "1");
    assert_eq!(entries.next().unwrap().unwrap().path().unwrap().to_str(), Some("files/secret.key"));
}
