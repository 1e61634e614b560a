//! Byte spans of single fields in a JSON object, without a tree.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::skim::{self, Found};

/// Calls `field` with name, value and span of every top-level member that `wanted` names.
///
/// The whole input is checked to be one JSON object; values that are not wanted are skipped, not kept.
/// An error that `field` returns stops the walk.
pub(crate) fn walk<'a, E>(
    json: &'a [u8],
    wanted: &[&str],
    mut field: impl FnMut(&str, Member<'a>) -> Result<(), E>,
) -> Result<(), WalkError<E>> {
    if let Some(found) = skim::members(json, wanted) {
        let each = |Found { index, start, text }| field(wanted[index], Member { text, start });
        return found.into_iter().try_for_each(each).map_err(WalkError::Field);
    }
    parse(json, wanted, field)
}

/// As [`walk`], by the parser.
fn parse<'a, E>(
    json: &'a [u8],
    wanted: &[&str],
    mut field: impl FnMut(&str, Member<'a>) -> Result<(), E>,
) -> Result<(), WalkError<E>> {
    let mut failed = None;
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let mut visit = |name: &str, raw: &'a RawValue| match field(name, Member::new(json, raw)) {
        Ok(()) => true,
        Err(error) => {
            failed = Some(error);
            false
        }
    };
    let walked = (&mut deserializer).deserialize_map(Walk { wanted, visit: &mut visit });
    let ended = walked.and_then(|()| deserializer.end());
    match (failed, ended) {
        (Some(error), _) => Err(WalkError::Field(error)),
        (None, Err(error)) => Err(WalkError::Json(error)),
        (None, Ok(())) => Ok(()),
    }
}

/// Why a walk stopped.
pub(crate) enum WalkError<E> {
    /// The input is not one JSON object.
    Json(serde_json::Error),
    /// The caller refused a field.
    Field(E),
}

/// A value as it stands in the input.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    /// The value's text.
    pub(crate) text: &'a str,
    start: usize,
}

struct Walk<'w, V> {
    wanted: &'w [&'w str],
    visit: V,
}

/// A member's name; borrowed unless it is written with escapes (`"mod\u0065l"` is `model` too).
struct Name<'a>(Cow<'a, str>);

// === impl Member ===

impl<'a> Member<'a> {
    fn new(json: &'a [u8], raw: &'a RawValue) -> Self {
        let text = raw.get();
        // `RawValue` borrows from the input, so the distance of the addresses is the offset.
        Self { text, start: text.as_ptr() as usize - json.as_ptr() as usize }
    }

    /// Where the value stands in the input.
    pub(crate) fn span(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// The value, if it has the type `T`.
    pub(crate) fn read<T: Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(self.text).ok()
    }

    /// Whether the value is `null`.
    pub(crate) fn is_null(&self) -> bool {
        self.text == "null"
    }
}

// === impl Walk ===

impl<'de, V: FnMut(&str, &'de RawValue) -> bool> Visitor<'de> for Walk<'_, V> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            if !self.wanted.contains(&name.as_ref()) {
                map.next_value::<IgnoredAny>()?;
            } else if !(self.visit)(&name, map.next_value()?) {
                return Err(serde::de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

// === impl Name ===

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Places and texts of the members that `wanted` names, as the parser sees them; none if it refuses the input.
    pub(crate) fn parsed<'a>(json: &'a [u8], wanted: &[&str]) -> Option<Vec<(usize, usize, &'a str)>> {
        let mut found = Vec::new();
        parse(json, wanted, |name, member| {
            let index = wanted.iter().position(|wanted| *wanted == name).unwrap();
            found.push((index, member.start, member.text));
            Ok::<_, ()>(())
        })
        .ok()
        .map(|()| found)
    }
}
