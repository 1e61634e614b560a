use std::collections::HashSet;

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::usage::Usage;
use crate::call::Call;
use crate::deliver::{self, Work};
use crate::error::ApiError;
use crate::payload::Payload;
use crate::text::count;

#[derive(Deserialize)]
pub(super) struct RerankRequest {
    model: Option<String>,
    query: Option<String>,
    documents: Option<Vec<Document>>,
    top_n: Option<usize>,
}

#[derive(Deserialize)]
pub(super) struct ScoreRequest {
    model: Option<String>,
    #[serde(alias = "queries", alias = "data_1")]
    text_1: Option<Texts>,
    #[serde(alias = "documents", alias = "data_2")]
    text_2: Option<Texts>,
}

/// A document: a text, or an object with one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Text(String),
    Object { text: String },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

#[derive(Serialize)]
struct Ranking {
    id: String,
    model: String,
    usage: RankingUsage,
    results: Vec<Ranked>,
}

#[derive(Serialize)]
struct RankingUsage {
    prompt_tokens: u32,
    total_tokens: u32,
}

#[derive(Serialize)]
struct Ranked {
    index: usize,
    document: RankedDocument,
    relevance_score: f64,
}

#[derive(Serialize)]
struct RankedDocument {
    text: String,
    multi_modal: Option<()>,
}

#[derive(Serialize)]
struct Scores {
    id: String,
    object: &'static str,
    created: i64,
    model: String,
    data: Vec<Score>,
    usage: Usage,
}

#[derive(Serialize)]
struct Score {
    index: usize,
    object: &'static str,
    #[serde(rename = "score")]
    value: f64,
}

/// `/rerank` and its aliases: documents, most relevant first.
pub(super) async fn rerank(call: Call, Payload(request): Payload<RerankRequest>) -> Result<Response, ApiError> {
    let query = request.query.ok_or_else(|| ApiError::missing("query"))?;
    let documents = request.documents.ok_or_else(|| ApiError::missing("documents"))?;
    let documents: Vec<String> = documents.into_iter().map(Document::into_text).collect();
    call.app.check_model(request.model.as_deref())?;
    let tokens = pair_tokens(&call, documents.iter().map(|document| (query.as_str(), document.as_str())))?;
    let mut results: Vec<Ranked> = documents
        .into_iter()
        .enumerate()
        .map(|(index, text)| Ranked {
            index,
            relevance_score: overlap(&query, &text),
            document: RankedDocument { text, multi_modal: None },
        })
        .collect();
    results.sort_by(|a, b| b.relevance_score.total_cmp(&a.relevance_score));
    results.truncate(request.top_n.filter(|n| *n > 0).unwrap_or(usize::MAX));
    let usage = RankingUsage { prompt_tokens: tokens, total_tokens: tokens };
    let id = format!("score-{}", call.id);
    let ranking = Ranking { id, model: call.app.args.model.clone(), usage, results };
    Ok(deliver::json(call, Work::prefill_only(tokens), &ranking).await)
}

/// `/score`: one text against each of the others, or two lists pair by pair.
pub(super) async fn score(call: Call, Payload(request): Payload<ScoreRequest>) -> Result<Response, ApiError> {
    let left = request.text_1.ok_or_else(|| ApiError::missing("text_1"))?.into_vec();
    let right = request.text_2.ok_or_else(|| ApiError::missing("text_2"))?.into_vec();
    call.app.check_model(request.model.as_deref())?;
    if left.len() != 1 && left.len() != right.len() {
        return Err(ApiError::bad_request("Input lengths must be either 1:1, 1:N or N:N", None));
    }
    let pairs = || left.iter().cycle().zip(&right).map(|(a, b)| (a.as_str(), b.as_str()));
    let tokens = pair_tokens(&call, pairs())?;
    let data = pairs().enumerate();
    let data = data.map(|(index, (a, b))| Score { index, object: "score", value: overlap(a, b) }).collect();
    let scores = Scores {
        id: format!("score-{}", call.id),
        object: "list",
        created: call.app.created(),
        model: call.app.args.model.clone(),
        data,
        usage: Usage::new(tokens, 0),
    };
    Ok(deliver::json(call, Work::prefill_only(tokens), &scores).await)
}

// === impl Document ===

impl Document {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Object { text } => text,
        }
    }
}

// === impl Texts ===

impl Texts {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// Tokens of all pairs, each with three marks; refuses a pair that is too long.
fn pair_tokens<'a>(call: &Call, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<u32, ApiError> {
    let mut all = 0_u32;
    for (left, right) in pairs {
        let tokens = count(left).saturating_add(count(right)).saturating_add(3);
        call.app.room_after(tokens)?;
        all = all.saturating_add(tokens);
    }
    Ok(all)
}

/// Shared words over all words, from 0 to 1.
fn overlap(left: &str, right: &str) -> f64 {
    let words = |text: &str| -> HashSet<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let (left, right) = (words(left), words(right));
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    count(left.intersection(&right).count()) / count(left.union(&right).count()).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_shared_words_over_all_words() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(overlap("red fox", "The red FOX!"), 2.0 / 3.0));
        assert!(close(overlap("a", "b"), 0.0));
        assert!(close(overlap("", ""), 0.0));
    }
}
