use proptest::prelude::*;

use super::*;
use crate::Record;
use crate::frame;
use crate::testing::request;

const SEAL: Seal = Seal { segment: 3, salt: 7 };

/// A segment with records of different lengths, and where each of them begins and ends.
fn segment(records: u64, capacity: usize) -> (Vec<u8>, Vec<(u64, u64)>) {
    let (mut bytes, mut places, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..records {
        let id = "r".repeat(usize::try_from(number % 23).unwrap());
        let record = Record::Open(request(&id).into_open(number, ambient::Timestamp::default()));
        let payload = frame::encode(&mut buffer, &record).unwrap();
        let offset = bytes.len() as u64;
        SEAL.close(&mut buffer, payload, offset);
        bytes.extend_from_slice(&buffer);
        places.push((offset, bytes.len() as u64));
    }
    bytes.resize(bytes.len().max(capacity), 0);
    (bytes, places)
}

/// Where records were found and which bytes were reported as gaps, and where it all ended.
fn walked(bytes: &[u8]) -> (Vec<u64>, Vec<(u64, u64)>, u64) {
    let (mut records, mut gaps) = (Vec::new(), Vec::new());
    let end = walk(SEAL, bytes, 0, |piece| match piece {
        Piece::Record { at, .. } => records.push(at.offset),
        Piece::Gap { at, bytes } => gaps.push((at.offset, at.offset + bytes)),
    });
    (records, gaps, end)
}

#[test]
fn a_write_torn_at_any_byte_ends_the_walk_before_it() {
    let (whole, places) = segment(3, 0);
    let (start, end) = places[2];
    for torn in usize::try_from(start).unwrap()..usize::try_from(end).unwrap() {
        for garbage in [0, 0xff, 0x5a] {
            let mut bytes = whole.clone();
            bytes[torn..].fill(garbage);
            let (records, gaps, tail) = walked(&bytes);
            if bytes == whole || torn as u64 + 8 > end && records.len() == 3 {
                continue; // Only padding was hit: the record is whole.
            }
            assert_eq!((records.len(), gaps.len(), tail), (2, 0, start), "torn at {torn} with {garbage}");
        }
    }
}

proptest! {
    #[test]
    fn every_record_that_damage_did_not_touch_is_found(
        records in 1_u64..20, from in 0_usize..4000, length in 1_usize..600, fill in any::<u8>(),
    ) {
        let (whole, places) = segment(records, 4096);
        let mut bytes = whole.clone();
        let to = (from + length).min(bytes.len());
        bytes[from.min(to)..to].fill(fill);
        let intact = |(start, end): &&(u64, u64)| {
            let range = usize::try_from(*start).unwrap()..usize::try_from(*end).unwrap();
            bytes[range.clone()] == whole[range]
        };
        let expected: Vec<u64> = places.iter().filter(intact).map(|place| place.0).collect();
        let (found, gaps, end) = walked(&bytes);
        prop_assert!(expected.iter().all(|offset| found.contains(offset)), "{expected:?} {found:?}");
        prop_assert!(found.iter().all(|offset| places.iter().any(|place| place.0 == *offset)));
        prop_assert!(gaps.iter().all(|(start, stop)| start < stop && *stop < end));
    }
}
