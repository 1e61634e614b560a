//! A stream: the same events however it is framed, and not a byte lost. The first byte says how it is cut.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use wire::sse::{Piece, Splitter, data};
use wire::{Chunk, TypedEvent};

fuzz_target!(|input: &[u8]| {
    let Some((&size, stream)) = input.split_first() else { return };
    let (whole, rest) = split(stream, stream.len().max(1));
    let (cut, cut_rest) = split(stream, usize::from(size).max(1));
    assert_eq!(whole, cut);
    assert_eq!(rest, cut_rest);
    let passed = whole.iter().map(Piece::bytes).chain(&rest).fold(Vec::new(), |all, piece| [all, piece.to_vec()].concat());
    assert_eq!(passed, stream);
    for event in whole.iter().filter_map(|piece| data(piece.bytes())) {
        let length = event.len();
        let chunk = Chunk::parse(&event).and_then(|chunk| chunk.model);
        let typed = TypedEvent::parse(&event).and_then(|event| event.model);
        assert!([chunk, typed].into_iter().flatten().all(|span| span.start < span.end && span.end <= length));
        if let Some(chunk) = Chunk::parse(&event) {
            // What is skipped without a parse must not matter.
            let matters = chunk.usage.is_some() || chunk.is_error;
            assert!(!matters || Chunk::may_matter(&event) || event.contains(&b'\\'));
        }
    }
});

fn split(stream: &[u8], size: usize) -> (Vec<Piece>, Option<Bytes>) {
    let (mut splitter, mut pieces) = (Splitter::default(), Vec::new());
    for frame in stream.chunks(size) {
        splitter.push(Bytes::copy_from_slice(frame), |piece| pieces.push(piece));
    }
    (pieces, splitter.finish())
}
