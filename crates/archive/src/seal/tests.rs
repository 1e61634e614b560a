use std::io::{Read as _, Write as _};

use proptest::prelude::*;

use super::opener::Opening;
use super::sealer::Sealing;
use super::*;

const SEALED: usize = CHUNK + TAG;

fn keyed(key: u8) -> Keyed {
    let mut header = [7; HEADER];
    header[..8].copy_from_slice(MAGIC);
    Keyed::from_key(&[key; 32], header).unwrap()
}

fn seal(plain: &[u8]) -> Vec<u8> {
    let mut sealer = Sealer::Sealed(Box::new(Sealing::new(Vec::new(), keyed(1)).unwrap()));
    sealer.write_all(plain).unwrap();
    sealer.finish().unwrap()
}

/// What comes out of everything behind the header.
fn open_with(key: u8, sealed: &[u8]) -> io::Result<Vec<u8>> {
    let mut opener = Opener::Sealed(Box::new(Opening::new(sealed, keyed(key))?));
    let mut plain = Vec::new();
    opener.read_to_end(&mut plain).map(|_| plain)
}

fn broken(sealed: &[u8]) -> Broken {
    let error = open_with(1, sealed).unwrap_err();
    *error.get_ref().unwrap().downcast_ref::<Broken>().unwrap()
}

fn three_chunks() -> Vec<u8> {
    seal(&vec![5; 2 * CHUNK + 100])[HEADER..].to_vec()
}

#[test]
fn any_length_comes_back() {
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5] {
        let plain: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
        assert_eq!(open_with(1, &seal(&plain)[HEADER..]).unwrap(), plain, "{length}");
    }
}

#[test]
fn what_is_cut_short_does_not_open() {
    let sealed = three_chunks();
    assert_eq!(broken(&sealed[..2 * SEALED]), Broken::Cut, "at the end of a chunk");
    assert_eq!(broken(&sealed[..SEALED]), Broken::Cut);
    assert_eq!(broken(&sealed[..2 * SEALED + 50]), Broken::Later(2));
    assert_eq!(broken(&sealed[..SEALED + 3]), Broken::Cut);
    assert_eq!(broken(&[]), Broken::Cut);
}

#[test]
fn chunks_that_are_swapped_repeated_left_out_or_added_do_not_open() {
    let sealed = three_chunks();
    let (first, second, last) = (&sealed[..SEALED], &sealed[SEALED..2 * SEALED], &sealed[2 * SEALED..]);
    assert_eq!(broken(&[second, first, last].concat()), Broken::First);
    assert_eq!(broken(&[first, first, second, last].concat()), Broken::Later(1));
    assert_eq!(broken(&[first, last].concat()), Broken::Later(1));
    assert_eq!(broken(&[first, second, last, last].concat()), Broken::Later(2));
    assert_eq!(broken(&[&sealed[..], b"more"].concat()), Broken::Later(2));
}

#[test]
fn another_key_or_another_header_opens_nothing() {
    let sealed = three_chunks();
    assert!(open_with(2, &sealed).is_err());
    let mut other = keyed(1);
    other.header[20] ^= 1;
    let mut opener = Opener::Sealed(Box::new(Opening::new(&sealed[..], other).unwrap()));
    assert!(opener.read(&mut [0; 10]).is_err());
}

#[test]
fn a_passphrase_is_not_shown_and_has_a_length() {
    assert_eq!(Passphrase::new("short").unwrap_err(), UnfitPassphrase);
    let passphrase = Passphrase::new("correct horse battery").unwrap();
    assert_eq!(format!("{passphrase:?}"), "Passphrase(***)");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// No bit can be changed.
    #[test]
    fn every_bit_counts(at in 0..2 * SEALED + 116, bit in 0..8_u32) {
        let mut sealed = three_chunks();
        sealed[at] ^= 1 << bit;
        prop_assert!(open_with(1, &sealed).is_err());
    }
}
