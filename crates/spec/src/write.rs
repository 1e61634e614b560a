use crate::Document;

/// The document cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// As YAML.
    #[error("the document cannot be written as YAML: {0}")]
    Yaml(#[from] serde_saphyr::SerializeError),
    /// As JSON.
    #[error("the document cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// The document as YAML. Parsing that gives the same document.
pub fn to_yaml(document: &Document) -> Result<String, WriteError> {
    Ok(serde_saphyr::to_string(document)?)
}

/// The document as JSON over several lines, with one at the end. Parsing that gives the same document.
pub fn to_json(document: &Document) -> Result<String, WriteError> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Format, arbitrary::documents, parse};

    proptest! {
        #[test]
        fn what_is_written_is_read_again(document in documents()) {
            let yaml = to_yaml(&document).unwrap();
            prop_assert_eq!(&parse(&yaml, Format::Yaml).map_err(|e| TestCaseError::fail(format!("{e}\n{yaml}")))?, &document);
            let json = to_json(&document).unwrap();
            prop_assert_eq!(&parse(&json, Format::Json).map_err(|e| TestCaseError::fail(format!("{e}\n{json}")))?, &document);
        }
    }
}
