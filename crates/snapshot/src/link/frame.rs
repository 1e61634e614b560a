use std::io;

use bytes::{Buf as _, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Bytes of the length in front of each frame, little-endian.
const LENGTH_BYTES: usize = 4;

/// Reads frames. A call of [`next`](Self::next) that is dropped half-way loses nothing.
#[derive(Debug)]
pub(super) struct FrameReader<R> {
    stream: R,
    buffer: BytesMut,
    max_bytes: usize,
}

// === impl FrameReader ===

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Frames of at most `max_bytes`.
    pub(super) fn new(stream: R, max_bytes: usize) -> Self {
        Self { stream, buffer: BytesMut::new(), max_bytes }
    }

    /// The next message; none when the other side has ended.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            if let Some(length) = self.length()?
                && self.buffer.len() >= LENGTH_BYTES + length
            {
                self.buffer.advance(LENGTH_BYTES);
                let frame = self.buffer.split_to(length);
                return serde_json::from_slice(&frame).map(Some).map_err(io::Error::from);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    fn length(&self) -> io::Result<Option<usize>> {
        let Some(length) = self.buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        match usize::try_from(u32::from_le_bytes(*length)) {
            Ok(length) if length <= self.max_bytes => Ok(Some(length)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is longer than any can be")),
        }
    }
}

/// Writes one message. Dropped half-way, the stream is of no more use.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    let mut frame = vec![0; LENGTH_BYTES];
    serde_json::to_writer(&mut frame, message)?;
    let length = u32::try_from(frame.len() - LENGTH_BYTES).map_err(io::Error::other)?;
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    stream.write_all(&frame).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_arrive_whole_however_they_are_cut() {
        let mut bytes = Vec::new();
        write(&mut bytes, &"one").await.unwrap();
        write(&mut bytes, &"two").await.unwrap();
        let (near, mut far) = tokio::io::duplex(3);
        let sent = tokio::spawn(async move { far.write_all(&bytes).await });
        let mut reader = FrameReader::new(near, 100);
        assert_eq!(reader.next::<String>().await.unwrap().as_deref(), Some("one"));
        assert_eq!(reader.next::<String>().await.unwrap().as_deref(), Some("two"));
        assert_eq!(reader.next::<String>().await.unwrap(), None);
        sent.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_is_too_long_or_cut_off_or_no_message_is_an_error() {
        let mut whole = Vec::new();
        write(&mut whole, &"a long word").await.unwrap();
        for (bytes, max_bytes) in [(&whole[..], 5), (&whole[..6], 100), (b"\x01\0\0\0{", 100)] {
            assert!(FrameReader::new(bytes, max_bytes).next::<String>().await.is_err(), "{bytes:?}");
        }
    }
}
