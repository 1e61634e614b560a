use clap::{ArgAction, Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::words;
use crate::exit::UsageError;

/// What runs where no command is given for a process.
const VLLM: [&str; 7] = ["vllm", "serve", "{source}", "--uds", "{socket}", "--served-model-name", "{name}"];

/// How the engine is to be.
#[derive(Debug, Args)]
#[command(next_help_heading = "Engine")]
pub(super) struct EngineArgs {
    /// GPUs, by index, UUID or name of a slice; or `all`
    #[arg(long, value_name = "GPU,...", value_delimiter = ',')]
    gpus: Vec<String>,
    /// Instances, among which the GPUs are shared out
    #[arg(long, value_name = "COUNT")]
    replicas: Option<u32>,
    /// How weights are quantized: auto, fp8, awq, gptq, bitsandbytes
    #[arg(long, value_name = "METHOD")]
    quantization: Option<String>,
    /// Tokens of prompt and answer together that a request may have
    #[arg(long, value_name = "TOKENS")]
    max_model_len: Option<u32>,
    /// How the KV cache is kept, as fp8
    #[arg(long, value_name = "TYPE")]
    kv_cache_dtype: Option<String>,
    /// Share of each GPU's memory that it takes, above 0 up to 1
    #[arg(long, value_name = "SHARE")]
    gpu_memory_utilization: Option<f64>,
    /// Tokens that it works on in one step
    #[arg(long, value_name = "TOKENS")]
    max_num_batched_tokens: Option<u32>,
    /// GPUs that work on one request together
    #[arg(long, value_name = "COUNT")]
    tensor_parallel_size: Option<u32>,
    /// How calls of tools are read from answers; switches tools on
    #[arg(long, value_name = "PARSER")]
    tool_call_parser: Option<String>,
    /// How reasoning is told from the answer
    #[arg(long, value_name = "PARSER")]
    reasoning_parser: Option<String>,
    /// Let code that comes with the model run
    #[arg(long)]
    trust_remote_code: bool,
    /// Branch, tag or commit
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
    /// Where it runs [default: docker]
    #[arg(long, value_enum)]
    runtime: Option<Runtime>,
    /// Container image, in place of the type's
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Port on 127.0.0.1 that leads to its container
    #[arg(long, value_name = "PORT")]
    host_port: Option<u16>,
    /// Seconds from start to healthy, before the start counts as failed
    #[arg(long, value_name = "SECONDS")]
    start_timeout: Option<u32>,
    /// What runs, in one text; words of it may be quoted. Or as the last words, behind `--`
    #[arg(long, value_name = "COMMAND", conflicts_with = "words")]
    command: Option<String>,
    /// One more argument of the engine; can be given several times
    #[arg(long = "arg", value_name = "ARGUMENT", allow_hyphen_values = true)]
    args: Vec<String>,
    /// A variable of its environment; can be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// What runs: `{source}`, `{name}`, `{port}` and `{socket}` are filled in
    #[arg(last = true, value_name = "WORD", action = ArgAction::Append)]
    words: Vec<String>,
}

/// Where engines run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Runtime {
    Docker,
    Process,
}

// === impl EngineArgs ===

impl EngineArgs {
    /// As a document has them; the source stands elsewhere.
    pub(super) fn fields(&self, kind: Option<&str>) -> Result<Map<String, Value>, UsageError> {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        let some = |words: &[String]| (!words.is_empty()).then(|| json!(words));
        put("gpus", (!self.gpus.is_empty()).then(|| self.gpus.iter().map(|gpu| gpu_of(gpu)).collect()));
        put("replicas", self.replicas.map(Value::from));
        put("quantization", self.quantization.clone().map(Value::from));
        put("max_model_len", self.max_model_len.map(Value::from));
        put("kv_cache_dtype", self.kv_cache_dtype.clone().map(Value::from));
        put("gpu_memory_utilization", self.gpu_memory_utilization.map(Value::from));
        put("max_num_batched_tokens", self.max_num_batched_tokens.map(Value::from));
        put("tensor_parallel_size", self.tensor_parallel_size.map(Value::from));
        put("tool_call_parser", self.tool_call_parser.clone().map(Value::from));
        put("reasoning_parser", self.reasoning_parser.clone().map(Value::from));
        put("trust_remote_code", self.trust_remote_code.then_some(Value::Bool(true)));
        put("revision", self.revision.clone().map(Value::from));
        put("image", self.image.clone().map(Value::from));
        put("host_port", self.host_port.map(Value::from));
        put("start_timeout", self.start_timeout.map(Value::from));
        put("args", some(&self.args));
        put("env", (!self.env.is_empty()).then(|| self.env.iter().map(|(n, v)| (n.clone(), json!(v))).collect()));
        put("runtime", (self.runtime == Some(Runtime::Process)).then(|| json!("process")));
        put("command", some(&self.words(kind)?));
        Ok(fields)
    }

    fn words(&self, kind: Option<&str>) -> Result<Vec<String>, UsageError> {
        match &self.command {
            Some(command) => words::of(command).map_err(|why| UsageError(format!("--command: {why}"))),
            None if self.words.is_empty() && self.runtime == Some(Runtime::Process) => Ok(self.vllm(kind)),
            None => Ok(self.words.clone()),
        }
    }

    /// vLLM with what was said of it: a command is all that a process is started by.
    fn vllm(&self, kind: Option<&str>) -> Vec<String> {
        let mut words: Vec<_> = VLLM.map(str::to_owned).into();
        let mut flag = |name: &str, value: Option<String>| {
            words.extend(value.into_iter().flat_map(|value| [format!("--{name}"), value]));
        };
        flag("runner", kind.filter(|kind| matches!(*kind, "embedding" | "rerank")).map(|_| "pooling".to_owned()));
        flag("revision", self.revision.clone());
        flag("max-model-len", self.max_model_len.map(|count| count.to_string()));
        flag("quantization", self.quantization.clone().filter(|method| method != "auto"));
        flag("kv-cache-dtype", self.kv_cache_dtype.clone());
        flag("gpu-memory-utilization", self.gpu_memory_utilization.map(|share| share.to_string()));
        flag("max-num-batched-tokens", self.max_num_batched_tokens.map(|count| count.to_string()));
        let parallel = self.tensor_parallel_size.map(|count| count.to_string());
        flag("tensor-parallel-size", parallel);
        flag("tool-call-parser", self.tool_call_parser.clone());
        flag("reasoning-parser", self.reasoning_parser.clone());
        if self.tool_call_parser.is_some() {
            words.push("--enable-auto-tool-choice".to_owned());
        }
        if self.trust_remote_code {
            words.push("--trust-remote-code".to_owned());
        }
        words
    }
}

fn gpu_of(text: &str) -> Value {
    let text = text.trim();
    text.parse::<u32>().map_or_else(|_| Value::from(text), Value::from)
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE: VLLM_LOGGING_LEVEL=DEBUG")?;
    Ok((name.to_owned(), value.to_owned()))
}
