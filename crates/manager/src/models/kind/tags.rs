use spec::ModelType;

/// The Hub's words for what models do, of which the first that is known counts.
const WORDS: [(&str, ModelType); 18] = [
    ("text-generation", ModelType::Chat),
    ("image-text-to-text", ModelType::Vision),
    ("visual-question-answering", ModelType::Vision),
    ("video-text-to-text", ModelType::Vision),
    ("any-to-any", ModelType::Vision),
    ("text-ranking", ModelType::Rerank),
    ("reranker", ModelType::Rerank),
    ("feature-extraction", ModelType::Embedding),
    ("sentence-similarity", ModelType::Embedding),
    ("sentence-transformers", ModelType::Embedding),
    ("automatic-speech-recognition", ModelType::SpeechToText),
    ("audio-text-to-text", ModelType::SpeechToText),
    ("text-to-speech", ModelType::TextToSpeech),
    ("text-to-audio", ModelType::TextToSpeech),
    ("text-to-image", ModelType::ImageGeneration),
    ("image-to-image", ModelType::ImageGeneration),
    ("diffusers", ModelType::ImageGeneration),
    ("conversational", ModelType::Chat),
];

/// The type, and by which tag it is known.
pub(super) fn judge(tags: &[String]) -> Option<(ModelType, String)> {
    tags.iter().find_map(|tag| {
        let (word, kind) = WORDS.iter().find(|(word, _)| word == tag)?;
        Some((*kind, format!("the tag {word} at the Hub")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tag_that_is_known_counts() {
        let of = |tags: &[&str]| judge(&tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>());
        let known = of(&["text-ranking", "safetensors", "text-generation"]);
        assert_eq!(known, Some((ModelType::Rerank, "the tag text-ranking at the Hub".to_owned())));
        assert_eq!(of(&["safetensors", "region:us"]), None);
    }
}
