use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::Usage;
use crate::raw::walk;

/// What the gateway needs of the JSON in one `data:` line of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Where the value of `model` stands.
    pub model: Option<Range<usize>>,
    /// Where the value of `system_fingerprint` stands.
    pub fingerprint: Option<Range<usize>>,
    /// What was used so far, where the engine says so.
    pub usage: Option<Usage>,
    /// Whether `choices` is there and empty: the chunk exists for its usage only.
    pub is_usage_only: bool,
    /// Whether the engine reports an error in band.
    pub is_error: bool,
}

// === impl Chunk ===

impl Chunk {
    /// Whether a chunk can hold usage or an error. Most hold neither and need no parse: inside of strings
    /// the quotes would be escaped, so the words in plain quotes are member names.
    pub fn may_matter(data: &[u8]) -> bool {
        static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""usage""#));
        static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""error""#));
        USAGE.find(data).is_some() || ERROR.find(data).is_some()
    }

    /// Whether the chunk brings at least one token. Chunks that only open a role, finish or report usage
    /// have empty text in every dialect that we know.
    pub fn has_content(data: &[u8]) -> bool {
        static EMPTY: LazyLock<[Finder<'static>; 4]> =
            LazyLock::new(|| [r#""content":"""#, r#""text":"""#, r#""choices":[]"#, r#""delta":{}"#].map(Finder::new));
        static OTHER: LazyLock<[Finder<'static>; 2]> =
            LazyLock::new(|| [r#""tool_calls":[{"#, r#""reasoning":""#].map(Finder::new));
        EMPTY.iter().all(|finder| finder.find(data).is_none()) || OTHER.iter().any(|finder| finder.find(data).is_some())
    }

    /// Whether the chunk tells why an answer ended.
    pub fn finishes(data: &[u8]) -> bool {
        static FINISH: LazyLock<[Finder<'static>; 2]> =
            LazyLock::new(|| [r#""finish_reason":""#, r#""finish_reason": ""#].map(Finder::new));
        FINISH.iter().any(|finder| finder.find(data).is_some())
    }

    /// Reads the fields out of `data`; none if it is not a JSON object, which is then passed on as it is.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let mut chunk = Self::default();
        walk(data, &["model", "usage", "choices", "error", "system_fingerprint"], |name, member| {
            match name {
                "model" if member.text.starts_with('"') => chunk.model = Some(member.span()),
                "system_fingerprint" if member.text.starts_with('"') => chunk.fingerprint = Some(member.span()),
                "usage" => chunk.usage = Usage::read(member.text),
                "choices" => chunk.is_usage_only = member.text.trim_matches(['[', ']', ' ']).is_empty(),
                "error" => chunk.is_error = !member.is_null(),
                _ => {}
            }
            Ok::<_, ()>(())
        })
        .ok()?;
        chunk.is_usage_only &= chunk.usage.is_some();
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_usage_errors_and_content_apart() {
        let usage =
            br#"{"model":"t","choices":[],"usage":{"prompt_tokens":20,"total_tokens":28,"completion_tokens":8}}"#;
        let chunk = Chunk::parse(usage).unwrap();
        assert!(Chunk::may_matter(usage) && chunk.is_usage_only && !Chunk::has_content(usage));
        assert_eq!(&usage[chunk.model.unwrap()], br#""t""#);
        assert!(Chunk::parse(br#"{"error": {"message": "x"}}"#).unwrap().is_error);
        assert!(!Chunk::parse(br#"{"error": null}"#).unwrap().is_error);
        assert!(Chunk::parse(b"not json").is_none());
    }

    #[test]
    fn text_about_usage_is_not_usage() {
        let talk = br#"{"choices":[{"delta":{"content":"say \"usage\": {} or \"error\""}}]}"#;
        assert!(!Chunk::may_matter(talk));
        assert!(Chunk::has_content(talk));
    }

    #[test]
    fn opening_and_finishing_chunks_bring_no_token() {
        assert!(!Chunk::has_content(br#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#));
        assert!(!Chunk::has_content(br#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#));
        assert!(!Chunk::has_content(br#"{"choices":[{"text":"","finish_reason":"stop"}]}"#));
        assert!(Chunk::has_content(br#"{"choices":[{"delta":{"content":"","tool_calls":[{"index":0}]}}]}"#));
    }
}
