use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};
use wire::{Field, FormError, FormReader};

use super::held::Held;
use crate::demand::{Audio, Demand};
use crate::edge::{BODY_IDLE, BODY_TOTAL, BodyBounds, BodyFault, BufferPermit, Buffers};
use crate::surface::Api;
use crate::upstream::{Segments, Upload};

/// A form that says it is at most as long is held whole: it can be repeated, and nothing of a broken one is sent.
const REPEATABLE_BYTES: u64 = 256 << 10;

/// Why a form did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormFault {
    /// Its bytes did not come.
    #[error(transparent)]
    Body(#[from] BodyFault),
    /// They are no form, or one that readers disagree about.
    #[error(transparent)]
    Form(#[from] FormError),
}

/// A multipart form of which enough is there to know the model; the rest passes as it comes.
#[derive(Debug)]
pub(crate) struct Form {
    /// What came so far, in order.
    held: Vec<Bytes>,
    model: Option<Field>,
    stream: bool,
    n: Option<u64>,
    /// Bytes of all of it, as announced or, if it is all there, as it is.
    length: Option<u64>,
    /// Makes a part to stand in front.
    front: FormReader,
    /// What is still to come.
    rest: Option<Upload>,
    audio: Arc<Audio>,
}

// === impl Form ===

impl Form {
    /// Receives as much as tells the model's name; of a short form, or one that names none, all.
    pub(super) async fn receive(
        headers: &HeaderMap,
        mut body: Incoming,
        buffers: &Buffers,
        bounds: BodyBounds,
    ) -> Result<(Self, BufferPermit), FormFault> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if headers.get_all(CONTENT_TYPE).iter().count() > 1 {
            // Each could name another boundary, and readers take the first, the last, or both together.
            return Err(FormError::NotAForm.into());
        }
        let mut reader = FormReader::new(text(CONTENT_TYPE).unwrap_or_default())?;
        let front = FormReader::new(text(CONTENT_TYPE).unwrap_or_default())?;
        let announced = text(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        let most = bounds.max as u64;
        if announced.is_some_and(|length| length > most) {
            return Err(BodyFault::TooLarge(bounds.max).into());
        }
        let is_short = announced.is_some_and(|length| length <= REPEATABLE_BYTES);
        let (mut held, mut permit, mut bytes) = (Held::default(), buffers.permit(), 0);
        let ends = Instant::now() + BODY_TOTAL;
        let mut is_whole = false;
        while is_short || reader.field("model").is_none() {
            let Some(data) = next(&mut body, ends).await? else {
                is_whole = true;
                break;
            };
            bytes += data.len() as u64;
            if bytes > most {
                return Err(BodyFault::TooLarge(bounds.max).into());
            }
            permit.grow(data.len(), bounds.max_sum)?;
            reader.push(&data)?;
            held.push(data);
        }
        if is_whole {
            reader.finish()?;
        }
        let audio = Arc::new(Audio::default());
        audio.saw(reader.file_head(), reader.file_bytes());
        let value = |name| reader.field(name).map(|field| field.value.trim().to_ascii_lowercase());
        let form = Self {
            held: held.into_pieces(),
            model: reader.field("model").cloned(),
            stream: value("stream").is_some_and(|text| ["true", "1", "yes", "on", "t", "y"].contains(&text.as_str())),
            n: value("n").and_then(|text| text.parse().ok()),
            length: if is_whole { Some(bytes) } else { announced },
            front,
            rest: (!is_whole).then(|| Upload::new(body, reader, bytes, most, ends, audio.clone())),
            audio,
        };
        Ok((form, permit))
    }

    pub(super) fn model(&self) -> Option<&str> {
        self.model.as_ref().map(|field| field.value.as_str())
    }

    pub(super) fn stream(&self) -> bool {
        self.stream
    }

    pub(super) fn demand(&self, api: Api) -> Demand {
        let held = self.held.iter().map(|piece| piece.len() as u64).sum();
        Demand::of_form(api, self.n, self.length.unwrap_or(held), &self.audio)
    }

    /// The form for an engine that knows the model as `upstream_model`: only the name changes.
    pub(super) fn to(&self, upstream_model: &str) -> Segments {
        let pieces = match &self.model {
            Some(field) if field.value == upstream_model => self.held.clone(),
            Some(field) => replaced(&self.held, &field.span, upstream_model),
            None => [&[self.front.part("model", upstream_model).into()], self.held.as_slice()].concat(),
        };
        let Some(upload) = &self.rest else { return Segments::new(pieces) };
        let held: u64 = self.held.iter().map(|piece| piece.len() as u64).sum();
        Segments::followed_by(pieces, upload.clone(), self.length.map(|length| length.saturating_sub(held)))
    }

    /// Whether a part of it has gone to an engine that cannot be sent again.
    pub(crate) fn is_spent(&self) -> bool {
        self.rest.as_ref().is_some_and(Upload::has_begun)
    }

    /// Since when the engine, and not the client, is waited for.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        self.rest.as_ref().map(Upload::waits_since)
    }

    /// Why it cannot go on, if it cannot.
    pub(crate) fn take_fault(&self) -> Option<FormFault> {
        self.rest.as_ref().and_then(Upload::take_fault)
    }
}

/// The next bytes of a body that has to be there by `ends`; none at its end.
async fn next(body: &mut Incoming, ends: Instant) -> Result<Option<Bytes>, BodyFault> {
    loop {
        let Some(frame) = timeout(BODY_IDLE, body.frame()).await.map_err(|_| BodyFault::Slow(BODY_IDLE))? else {
            return Ok(None);
        };
        if Instant::now() > ends {
            return Err(BodyFault::Slow(BODY_TOTAL));
        }
        if let Ok(data) = frame.map_err(|_| BodyFault::Broken)?.into_data() {
            return Ok(Some(data));
        }
    }
}

/// The pieces of `held` with `text` in the place of `span`.
fn replaced(held: &[Bytes], span: &Range<u64>, text: &str) -> Vec<Bytes> {
    let mut pieces = Vec::with_capacity(held.len() + 2);
    let (mut at, mut is_in) = (0, false);
    for piece in held {
        let end = at + piece.len() as u64;
        let cut = |place: u64| usize::try_from(place.clamp(at, end) - at).unwrap_or(piece.len());
        pieces.push(piece.slice(..cut(span.start)));
        if !is_in && span.start < end {
            pieces.push(Bytes::copy_from_slice(text.as_bytes()));
            is_in = true;
        }
        pieces.push(piece.slice(cut(span.end)..));
        at = end;
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_replaced_however_the_pieces_lie() {
        for cuts in [vec![], vec![3], vec![2, 4], vec![1, 2, 3, 4, 5], vec![4, 5]] {
            for span in [2..4, 2..2, 2..5] {
                let (mut held, mut at) = (Vec::new(), 0);
                for cut in cuts.iter().copied().chain([7]) {
                    held.push(Bytes::from_static(&b"abcdefg"[at..cut]));
                    at = cut;
                }
                let expected = ["ab", "XY", &"abcdefg"[usize::try_from(span.end).unwrap()..]].concat();
                assert_eq!(replaced(&held, &span, "XY").concat(), expected.as_bytes(), "{cuts:?} {span:?}");
            }
        }
    }
}
