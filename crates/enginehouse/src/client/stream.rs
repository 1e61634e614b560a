use anyhow::bail;
use http_body_util::BodyExt as _;

use super::Body;

/// Bytes that a line may have: those of logs are cut at less by the server.
const LINE_BYTES: usize = 1 << 20;

/// An answer that goes on, line by line.
#[derive(Debug)]
pub(crate) struct Lines {
    body: Body,
    /// What has come and was not given away.
    buffer: Vec<u8>,
}

// === impl Lines ===

impl Lines {
    pub(super) fn of(body: Body) -> Self {
        Self { body, buffer: Vec::new() }
    }

    /// The next line; none once the answer has come to its end.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            if let Some(line) = take_line(&mut self.buffer) {
                return Ok(Some(line));
            }
            if self.buffer.len() > LINE_BYTES {
                bail!("the server sent a line of more than {LINE_BYTES} bytes");
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => self.buffer.extend(frame.into_data().unwrap_or_default()),
                Some(Err(_)) => bail!("the connection broke off: the server has gone"),
            }
        }
    }
}

/// The first line, if it has come whole.
fn take_line(buffer: &mut Vec<u8>) -> Option<String> {
    let at = buffer.iter().position(|byte| *byte == b'\n')?;
    let line: Vec<u8> = buffer.drain(..=at).collect();
    Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn lines_come_whole_and_one_without_end_is_none() {
        let of = |text: String| Lines::of(Full::from(text).map_err(|never| match never {}).boxed_unsync());
        let mut lines = of("data: ab\r\n\ndata: c\nrest".to_owned());
        for expected in [Some("data: ab"), Some(""), Some("data: c"), None] {
            assert_eq!(lines.next().await.unwrap().as_deref(), expected);
        }
        assert!(of("x".repeat(LINE_BYTES + 1)).next().await.is_err());
    }

    #[test]
    fn a_line_that_goes_on_is_waited_for() {
        let mut buffer = b"da".to_vec();
        assert_eq!(take_line(&mut buffer), None);
        buffer.extend(b"ta\nx");
        assert_eq!((take_line(&mut buffer).as_deref(), buffer.as_slice()), (Some("data"), &b"x"[..]));
    }
}
