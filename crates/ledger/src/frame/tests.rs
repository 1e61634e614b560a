use ambient::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::Record;
use crate::flight::Flight;
use crate::state::{CHECKPOINT_GROWTH, CLOSE_GROWTH};
use crate::testing::request;
use crate::{Attempt, Event, MAX_ATTEMPTS, Nanos, NewRequest, Open, Outcome, Price, Usage, UsageSource};

const SEAL: Seal = Seal { segment: 3, salt: 7 };

fn framed(record: &Record, offset: u64) -> Vec<u8> {
    let mut buffer = Vec::new();
    let payload = encode(&mut buffer, record).unwrap();
    SEAL.close(&mut buffer, payload, offset);
    buffer
}

fn size(record: &Record) -> u64 {
    framed(record, 0).len() as u64
}

fn an_open() -> Record {
    Record::Open(request("abc").into_open(1, Timestamp::from_micros(5)))
}

#[test]
fn a_frame_is_valid_only_where_and_when_it_was_written() {
    let bytes = framed(&an_open(), 1024);
    let frame = SEAL.read(&bytes, 1024).unwrap();
    assert_eq!(frame.size, bytes.len() as u64);
    assert_eq!(postcard::from_bytes::<Record>(frame.payload.unwrap()).unwrap(), an_open());
    assert_eq!(SEAL.read(&bytes, 1032), None, "another place");
    assert_eq!(Seal { segment: 4, ..SEAL }.read(&bytes, 1024), None, "a later life of the segment");
    assert_eq!(Seal { salt: 8, ..SEAL }.read(&bytes, 1024), None, "a life whose header was lost");
}

#[test]
fn a_filler_skips_what_it_says() {
    let filler = SEAL.filler(4096, 2048);
    assert_eq!(SEAL.read(&filler, 2048), Some(Frame { payload: None, size: 4096 }));
    assert_eq!(SEAL.read(&filler, 2056), None);
}

proptest! {
    #[test]
    fn no_damaged_frame_is_valid(at in 0_usize..10_000, flip in 1_u8..=255) {
        let mut bytes = framed(&an_open(), 1024);
        let payload = SEAL.read(&bytes, 1024).unwrap().payload.unwrap().len();
        bytes[at % (PREFIX + payload)] ^= flip;
        prop_assert_eq!(SEAL.read(&bytes, 1024), None);
    }

    #[test]
    fn no_torn_frame_is_valid(length in 0_usize..10_000) {
        let bytes = framed(&an_open(), 1024);
        let payload = SEAL.read(&bytes, 1024).unwrap().payload.unwrap().len();
        prop_assert_eq!(SEAL.read(&bytes[..length % (PREFIX + payload)], 1024), None);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert_eq!(SEAL.read(&bytes, 1024), None);
    }
}

/// Everything at its longest: if a field is added, the promised room has to grow.
#[test]
fn the_longest_records_keep_to_the_room_that_is_promised() {
    let price = Price {
        version: u64::MAX,
        input: u64::MAX,
        cached_input: u64::MAX,
        output: u64::MAX,
        image: u64::MAX,
        audio_second: u64::MAX,
        character: u64::MAX,
        search: u64::MAX,
        request: u64::MAX,
    };
    let long = "x".repeat(10_000);
    let request = NewRequest {
        request_id: long.as_str().into(),
        key: long.as_str().into(),
        model: long.as_str().into(),
        surface: long.clone().into(),
        stream: true,
        price,
        prompt_tokens_estimate: u64::MAX,
        reserved: Nanos(i64::MIN),
    };
    let open = request.into_open(u64::MAX, Timestamp::from_micros(i64::MIN));
    let flight = Flight::new(open.clone());
    flight.progress.relayed(u64::MAX, u64::MAX);
    flight.progress.first_byte(u64::MAX);
    let attempt = Attempt {
        deployment: "d".repeat(128).into(),
        status: u16::MAX,
        fault: "f".repeat(32).into(),
        micros: u64::MAX,
    };
    let max = u64::MAX;
    let close = Record::Close(Event {
        open: open.clone(),
        closed_at: Timestamp::from_micros(i64::MIN),
        outcome: Outcome::Interrupted,
        status: u16::MAX,
        usage: Usage {
            prompt_tokens: max,
            cached_tokens: max,
            completion_tokens: max,
            images: max,
            audio_millis: max,
            characters: max,
            searches: max,
        },
        usage_source: UsageSource::None,
        cost: Nanos(i64::MIN),
        first_byte_micros: Some(max),
        attempts: vec![attempt; MAX_ATTEMPTS],
    });
    let opened = size(&Record::Open(open));
    assert!(size(&close) <= opened + CLOSE_GROWTH);
    assert!(size(&Record::Checkpoint(flight.checkpoint())) <= opened + CHECKPOINT_GROWTH);
    assert!(size(&close) <= MAX_FRAME);
    // Another model serves what was asked of one with a short name and no price.
    let Record::Close(close) = close else { unreachable!() };
    let asked = Open { model: "m".into(), price: Price::default(), reserved: Nanos(0), ..close.open.clone() };
    let opened = size(&Record::Open(asked.clone()));
    let moved = Open { requested: Some(asked.model.clone()), ..close.open.clone() };
    *flight.moved.lock() = Some(moved.clone().into());
    let restated = Record::MovedCheckpoint(flight.checkpoint(), asked.model.clone());
    assert!(size(&restated) <= opened + CHECKPOINT_GROWTH);
    let closed = Record::MovedClose(Event { open: moved, ..close }, asked.model);
    assert!(size(&closed) <= opened + CLOSE_GROWTH);
}
