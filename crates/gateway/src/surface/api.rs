use snapshot::ModelType;
use wire::Dialect;

use ModelType::{Chat, Embedding, ImageGeneration, Rerank, SpeechToText, TextToSpeech, Vision};

/// One API of a model: OpenAI's, and those that vLLM has beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Api {
    ChatCompletions,
    Completions,
    Responses,
    Embeddings,
    Rerank,
    Score,
    Tokenize,
    Detokenize,
    Images,
    ImageEdits,
    ImageVariations,
    Speech,
    Transcriptions,
    Translations,
}

/// What a request is measured and billed by, besides the tokens that the engine reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meter {
    /// Text that is generated, token by token.
    Generated,
    /// The tokens of the prompt.
    Prompt,
    /// Searches, and the tokens of the prompt.
    Searches,
    /// Images made or edited.
    Images,
    /// Characters spoken.
    Characters,
    /// Seconds heard.
    Audio,
    /// Nothing: no model runs.
    Nothing,
}

/// How the events of a stream look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Events {
    /// Chunks with `choices`, ended by `[DONE]`.
    Chunks,
    /// Events that have a `type`, the last of which says so.
    Typed,
    /// Either: as OpenAI has it, or vLLM.
    Mixed,
}

/// What is to be known of an API, in one row of the table.
struct Row {
    /// The path after the version; first the one that engines have, then other names of the same.
    paths: &'static [&'static str],
    /// Whether engines have it beside the version, not below.
    is_unversioned: bool,
    /// Types of the models that have it.
    types: &'static [ModelType],
    /// The fields of a JSON request; none where requests are multipart forms.
    dialect: Option<Dialect>,
    meter: Meter,
    events: Events,
}

/// What serves text, which can be counted in tokens.
const TEXT: &[ModelType] = &[Chat, Vision, Embedding, Rerank, SpeechToText];

// === impl Api ===

impl Api {
    /// All of them, in the order of their declaration.
    pub(crate) const ALL: [Self; 14] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Responses,
        Self::Embeddings,
        Self::Rerank,
        Self::Score,
        Self::Tokenize,
        Self::Detokenize,
        Self::Images,
        Self::ImageEdits,
        Self::ImageVariations,
        Self::Speech,
        Self::Transcriptions,
        Self::Translations,
    ];

    #[rustfmt::skip]
    const fn row(self) -> Row {
        use Events::{Chunks, Mixed, Typed};
        use Meter as M;
        const COMPLETIONS: Option<Dialect> = Some(Dialect::Completions);
        const PLAIN: Option<Dialect> = Some(Dialect::Plain);
        let (paths, is_unversioned, types, dialect, meter, events): (&[&str], _, &[_], _, _, _) = match self {
            Self::ChatCompletions => (&["/chat/completions"], false, &[Chat, Vision], COMPLETIONS, M::Generated, Chunks),
            Self::Completions => (&["/completions"], false, &[Chat, Vision], COMPLETIONS, M::Generated, Chunks),
            Self::Responses => (&["/responses"], false, &[Chat, Vision], Some(Dialect::Responses), M::Generated, Typed),
            Self::Embeddings => (&["/embeddings"], false, &[Embedding], PLAIN, M::Prompt, Chunks),
            // vLLM's pooling server has both beside embeddings.
            Self::Rerank => (&["/rerank", "/v2/rerank"], false, &[Rerank, Embedding], PLAIN, M::Searches, Chunks),
            Self::Score => (&["/score"], false, &[Rerank, Embedding], PLAIN, M::Prompt, Chunks),
            Self::Tokenize => (&["/tokenize"], true, TEXT, PLAIN, M::Nothing, Chunks),
            Self::Detokenize => (&["/detokenize"], true, TEXT, PLAIN, M::Nothing, Chunks),
            Self::Images => (&["/images/generations"], false, &[ImageGeneration], PLAIN, M::Images, Typed),
            Self::ImageEdits => (&["/images/edits"], false, &[ImageGeneration], None, M::Images, Typed),
            Self::ImageVariations => (&["/images/variations"], false, &[ImageGeneration], None, M::Images, Typed),
            Self::Speech => (&["/audio/speech"], false, &[TextToSpeech], Some(Dialect::Speech), M::Characters, Typed),
            Self::Transcriptions => (&["/audio/transcriptions"], false, &[SpeechToText], None, M::Audio, Mixed),
            Self::Translations => (&["/audio/translations"], false, &[SpeechToText], None, M::Audio, Mixed),
        };
        Row { paths, is_unversioned, types, dialect, meter, events }
    }

    /// The API at a path without its version.
    pub(super) fn at(bare: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.row().paths.contains(&bare))
    }

    /// The path after the version.
    pub(crate) const fn path(self) -> &'static str {
        self.row().paths[0]
    }

    /// The path at an engine whose OpenAI API is below `base`.
    pub(crate) fn upstream_path(self, base: &str) -> String {
        let base = if self.row().is_unversioned { base.strip_suffix("/v1").unwrap_or(base) } else { base };
        format!("{base}{}", self.path())
    }

    /// The name in the books and in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        self.path().trim_start_matches('/')
    }

    /// The fields of its JSON requests; none where requests are multipart forms.
    pub(crate) const fn dialect(self) -> Option<Dialect> {
        self.row().dialect
    }

    /// What it is billed by.
    pub(crate) const fn meter(self) -> Meter {
        self.row().meter
    }

    /// How its streams look.
    pub(crate) const fn events(self) -> Events {
        self.row().events
    }

    /// Whether the answer is text that is generated, token by token.
    pub(crate) fn generates(self) -> bool {
        self.meter() == Meter::Generated
    }

    /// Whether a stream reports usage only to those who ask in `stream_options`.
    pub(crate) fn has_stream_options(self) -> bool {
        self.dialect() == Some(Dialect::Completions)
    }

    /// Whether the answer can be something else than JSON, which is passed on as it comes.
    pub(crate) fn answers_anything(self) -> bool {
        matches!(self.meter(), Meter::Characters | Meter::Audio)
    }

    /// Whether the same request may be answered with an answer that was given before.
    pub(crate) const fn is_cacheable(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions | Self::Embeddings | Self::Rerank | Self::Score)
    }

    /// Whether models of `model_type` have this API.
    pub(crate) fn serves(self, model_type: ModelType) -> bool {
        self.row().types.contains(&model_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_api_is_found_by_its_paths_and_has_its_place() {
        for (index, api) in Api::ALL.into_iter().enumerate() {
            assert_eq!(api as usize, index);
            for path in api.row().paths {
                assert_eq!(Api::at(path), Some(api));
            }
        }
        assert_eq!(Api::at("/v2/rerank"), Some(Api::Rerank));
    }

    #[test]
    fn engines_have_tokens_beside_the_version() {
        assert_eq!(Api::Tokenize.upstream_path("/v1"), "/tokenize");
        assert_eq!(Api::Tokenize.upstream_path("/llm/v1"), "/llm/tokenize");
        assert_eq!(Api::Tokenize.upstream_path(""), "/tokenize");
        assert_eq!(Api::Score.upstream_path("/v1"), "/v1/score");
    }

    #[test]
    fn every_type_of_model_has_an_api() {
        for model_type in ModelType::ALL {
            assert!(Api::ALL.into_iter().any(|api| api.serves(model_type)), "{model_type}");
        }
        assert!(!Api::ChatCompletions.serves(Embedding));
    }
}
