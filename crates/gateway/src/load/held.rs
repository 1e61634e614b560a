use bytes::{Bytes, BytesMut};

/// Pieces shorter than this are put together. Each piece takes some dozen bytes besides its own: of a body that comes byte
/// by byte that would be many times what it is counted as.
const SHORT: usize = 4 << 10;

/// Bytes of what is put together at most.
const LONG: usize = 64 << 10;

/// The part of a body that came already, in pieces as they came.
#[derive(Debug, Default)]
pub(super) struct Held {
    pieces: Vec<Bytes>,
    /// Short pieces, put together.
    end: BytesMut,
}

// === impl Held ===

impl Held {
    pub(super) fn push(&mut self, piece: Bytes) {
        if piece.len() < SHORT {
            self.end.extend_from_slice(&piece);
        } else {
            self.close();
            self.pieces.push(piece);
        }
        if self.end.len() >= LONG {
            self.close();
        }
    }

    pub(super) fn into_pieces(mut self) -> Vec<Bytes> {
        self.close();
        self.pieces
    }

    fn close(&mut self) {
        if !self.end.is_empty() {
            self.pieces.push(self.end.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_comes_byte_by_byte_is_held_in_few_pieces() {
        let mut held = Held::default();
        for _ in 0..2 * LONG {
            held.push(Bytes::from_static(b"x"));
        }
        held.push(vec![b'y'; SHORT].into());
        held.push(Bytes::from_static(b"z"));
        let lengths: Vec<_> = held.into_pieces().iter().map(Bytes::len).collect();
        assert_eq!(lengths, [LONG, LONG, SHORT, 1]);
    }

    #[test]
    fn the_order_stays() {
        let mut held = Held::default();
        let long = [b'b'; SHORT];
        for piece in [b"a".as_slice(), &long, b"c", b"d", &long] {
            held.push(Bytes::copy_from_slice(piece));
        }
        assert_eq!(held.into_pieces().concat(), [b"a".as_slice(), &long, b"cd", &long].concat());
    }
}
