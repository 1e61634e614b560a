//! The routes, one file per surface.

mod audio;
mod chat;
mod completions;
mod embeddings;
mod fixed;
mod images;
mod info;
mod logprobs;
mod multipart;
mod png;
mod responses;
mod sampling;
mod score;
mod sim;
mod speech;
mod tokenize;
mod usage;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::EngineType;
use crate::app::App;
use crate::error::Bare;

pub(crate) use responses::Store;

type Routes = Router<Arc<App>>;

/// All routes of the server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let work = match app.args.fixed_bytes {
        Some(length) => fixed::routes(length),
        None => of_type(app.args.engine_type),
    };
    Router::new()
        .merge(info::routes())
        .merge(sim::routes())
        .merge(work)
        .fallback(|| async { Bare::NotFound })
        .method_not_allowed_fallback(|| async { Bare::MethodNotAllowed })
        .with_state(app)
}

fn of_type(engine_type: EngineType) -> Routes {
    let tokens =
        || Router::new().route("/tokenize", post(tokenize::encode)).route("/detokenize", post(tokenize::decode));
    let scores = || {
        ["/rerank", "/v1/rerank", "/v2/rerank"]
            .iter()
            .fold(Router::new(), |routes, path| routes.route(path, post(score::rerank)))
            .route("/score", post(score::score))
            .route("/v1/score", post(score::score))
    };
    match engine_type {
        EngineType::Chat | EngineType::Vision => tokens()
            .route("/v1/chat/completions", post(chat::complete))
            .route("/v1/completions", post(completions::complete))
            .route("/v1/responses", post(responses::respond))
            .route("/v1/responses/{id}", get(responses::get).delete(responses::delete))
            .route("/v1/responses/{id}/cancel", post(responses::cancel))
            .route("/v1/responses/{id}/input_items", get(responses::input_items)),
        EngineType::Embedding => tokens()
            .merge(scores())
            .route("/v1/embeddings", post(embeddings::embed))
            .route("/pooling", post(embeddings::pool)),
        EngineType::Rerank => tokens().merge(scores()),
        EngineType::SpeechToText => tokens()
            .route("/v1/audio/transcriptions", post(audio::transcribe))
            .route("/v1/audio/translations", post(audio::translate)),
        EngineType::TextToSpeech => Router::new().route("/v1/audio/speech", post(speech::speak)),
        EngineType::ImageGeneration => Router::new()
            .route("/v1/images/generations", post(images::generate))
            .route("/v1/images/edits", post(images::edit))
            .route("/v1/images/variations", post(images::vary)),
    }
}

/// A route that needs nothing but the shared state.
fn open<H, T>(path: &str, handler: H) -> Routes
where
    H: axum::handler::Handler<T, Arc<App>>,
    T: 'static,
{
    Router::new().route(path, get(handler))
}
