//! What `vllm serve` is told, read as what it means for a simulated engine.

use clap::Parser;

use crate::{Args, EngineType};

/// Variable with arguments of our own, for what vLLM's cannot say: `--type rerank --start-delay-ms 500`.
pub(crate) const OWN_ARGS: &str = "ENGINE_SIM_ARGS";

#[derive(Parser)]
struct Own {
    #[command(flatten)]
    args: Args,
}

/// From the words behind `vllm serve`, over our own arguments. What has no meaning here is left out, as a flag or with
/// its value.
pub(crate) fn read(words: &[String], own: &str) -> Result<Args, clap::Error> {
    let own = std::iter::once("engine-sim").chain(own.split_whitespace());
    let mut args = Own::try_parse_from(own)?.args;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (name, joined) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        let mut value = || joined.map(str::to_owned).or_else(|| words.next().cloned()).unwrap_or_default();
        match name {
            "--host" => args.host = value(),
            "--port" => args.port = value().parse().unwrap_or(args.port),
            "--uds" => args.uds = Some(value().into()),
            "--served-model-name" => args.model = value(),
            "--max-model-len" => args.max_model_len = value().parse().unwrap_or(args.max_model_len),
            "--runner" if value() == "pooling" && args.engine_type == EngineType::Chat => {
                args.engine_type = EngineType::Embedding;
            }
            "--omni" if args.engine_type == EngineType::Chat => args.engine_type = EngineType::TextToSpeech,
            _ => {}
        }
    }
    Ok(args)
}

/// The lines that vLLM prints while it starts, in order, up to the one before it listens.
pub(crate) fn start_log(model: &str) -> [String; 7] {
    [
        format!("INFO [gpu_model_runner.py] Starting to load model {model}..."),
        "Loading safetensors checkpoint shards:   0% Completed | 0/4".to_owned(),
        "Loading safetensors checkpoint shards:  50% Completed | 2/4".to_owned(),
        "Loading safetensors checkpoint shards: 100% Completed | 4/4".to_owned(),
        "INFO [default_loader.py] Loading weights took 0.42 seconds".to_owned(),
        "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  50%|#####     | 33/67".to_owned(),
        "INFO [core.py] init engine (profile, create kv cache, warmup model) took 0.80 seconds".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str], own: &str) -> Args {
        read(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>(), own).unwrap()
    }

    #[test]
    fn what_vllm_is_told_means_the_same_here() {
        let words = [
            "Org/M",
            "--served-model-name",
            "m",
            "--host",
            "0.0.0.0",
            "--port=8000",
            "--quantization",
            "fp8",
            "--runner",
            "pooling",
        ];
        let args = of(&words, "--tokens 5");
        assert_eq!((args.model.as_str(), args.host.as_str(), args.port, args.tokens), ("m", "0.0.0.0", 8000, 5));
        assert_eq!(args.engine_type, EngineType::Embedding);
        assert_eq!(of(&["M", "--runner", "pooling"], "--type rerank").engine_type, EngineType::Rerank);
        assert_eq!(of(&["M", "--omni"], "").engine_type, EngineType::TextToSpeech);
        assert_eq!(of(&["M", "--omni"], "--type image-generation").engine_type, EngineType::ImageGeneration);
        assert_eq!(of(&["M", "--runner", "generate"], "").engine_type, EngineType::Chat);
    }
}
