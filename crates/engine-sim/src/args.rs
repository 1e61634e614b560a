use std::path::PathBuf;

use crate::EngineType;

/// How the simulated engine behaves from its start; most of it can be changed while it runs (`POST /sim/faults`).
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// TCP port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 8000)]
    pub port: u16,
    /// Listen on this Unix socket instead of a port.
    #[arg(long)]
    pub uds: Option<PathBuf>,
    /// Served model name; any other name in a request is a 404.
    #[arg(long, alias = "served-model-name", default_value = "sim")]
    pub model: String,
    /// Which kind of model the server pretends to hold; decides its routes.
    #[arg(long = "type", value_enum, default_value_t)]
    pub engine_type: EngineType,
    /// Time to the first token, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub ttft_ms: u64,
    /// Time between two tokens, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub inter_token_ms: u64,
    /// Length of an answer in tokens, unless the request allows fewer.
    #[arg(long, default_value_t = 16)]
    pub tokens: u32,
    /// Longest prompt plus answer, in tokens.
    #[arg(long, default_value_t = 8192)]
    pub max_model_len: u32,
    /// Requests worked on at once; the rest wait.
    #[arg(long, default_value_t = 1024)]
    pub max_num_seqs: u32,
    /// Length of an embedding.
    #[arg(long, default_value_t = 128)]
    pub dimensions: u16,
    /// Time until the server is up, in milliseconds: the port is not bound before (a given listener answers 503).
    #[arg(long, default_value_t = 0)]
    pub start_delay_ms: u64,
    /// Key that requests under `/v1` must present.
    #[arg(long)]
    pub api_key: Option<String>,
    /// Failure of every request, as `KIND[:N]`; see `Fault`.
    #[arg(long)]
    pub fault: Option<crate::Fault>,
    /// Answer every request with the same chat completion of this many bytes, and keep no books: for benchmarks.
    #[arg(long)]
    pub fixed_bytes: Option<usize>,
    /// Start as `vllm serve` does: what follows are its arguments, and what else there is to say stands in the variable
    /// `ENGINE_SIM_ARGS`.
    #[arg(long, num_args = 0.., allow_hyphen_values = true, value_name = "ARGS")]
    pub vllm: Option<Vec<String>>,
}

// === impl Args ===

impl Default for Args {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
            uds: None,
            model: "sim".to_owned(),
            engine_type: EngineType::Chat,
            ttft_ms: 0,
            inter_token_ms: 0,
            tokens: 16,
            max_model_len: 8192,
            max_num_seqs: 1024,
            dimensions: 128,
            start_delay_ms: 0,
            api_key: None,
            fault: None,
            fixed_bytes: None,
            vllm: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_command_line_says_what_the_default_says() {
        let parsed = CommandLine::parse_from(["engine-sim", "--port", "0"]).args;
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Args::default()));
    }

    #[test]
    fn types_and_faults_are_spelled_with_dashes() {
        let line = ["engine-sim", "--type", "speech-to-text", "--fault", "wrong-usage:negative", "--model", "org/m"];
        let parsed = CommandLine::parse_from(line).args;
        assert_eq!(parsed.engine_type, EngineType::SpeechToText);
        assert_eq!(parsed.fault, Some(crate::Fault::WrongUsage(crate::UsageFault::Negative)));
    }
}
