use serde_saphyr::{Error, MergeKeyPolicy, Options, SnippetMode, UserMessageFormatter};

use super::ParseError;
use crate::{Document, limits};

pub(super) fn parse(text: &str) -> Result<Document, ParseError> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        ParseError::at(text, line.max(1), column.max(1), message(&error))
    })
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: limits::DEPTH, flow_nesting_limit: limits::DEPTH },
        emit_comments: false,
        merge_keys: MergeKeyPolicy::Merge,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn message(error: &Error) -> String {
    let options = serde_saphyr::render_options! { formatter: &UserMessageFormatter, snippets: SnippetMode::Off };
    error.render_with_options(options)
}
