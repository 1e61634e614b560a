use fit::CacheType;
use spec::Spread;

/// What the arguments of `vllm serve` say of memory, but for the share of it that they may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// GPUs that share each layer.
    pub(super) split: Option<u64>,
    /// Over how many groups of them it is spread besides.
    pub(super) spread: Spread,
    /// Tokens of a request; none for as many as the model takes.
    pub(super) context: Option<Context>,
    pub(super) cache: CacheType,
    pub(super) batched_tokens: Option<u64>,
    pub(super) batched_sequences: Option<u64>,
    pub(super) quantization: Option<String>,
    /// Whether the model is computed with in 32 bits.
    pub(super) is_float32: bool,
}

/// Tokens of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// So many.
    Tokens(u64),
    /// As many as fit.
    WhatFits,
}

/// Arguments that spread a model otherwise than is reckoned here.
const OTHERWISE: &[&str] = &[
    "--cpu-offload-gb",
    "--data-parallel-size-local",
    "-dpl",
    "--data-parallel-rank",
    "-dpn",
    "--decode-context-parallel-size",
    "-dcp",
    "--prefill-context-parallel-size",
    "-pcp",
    "--nnodes",
    "-n",
];

// === impl Options ===

impl Options {
    /// From the words of a command line, of which the last says what counts; none if they spread the model over GPUs,
    /// machines or host memory in a way that is not reckoned here.
    pub(super) fn read(words: &[String]) -> Option<Self> {
        let mut options = Self {
            split: None,
            spread: Spread::read(words),
            context: None,
            cache: CacheType::Auto,
            batched_tokens: None,
            batched_sequences: None,
            quantization: None,
            is_float32: false,
        };
        for (name, value) in crate::options::options(words) {
            if OTHERWISE.contains(&name.as_str()) && !matches!(value, "0" | "1") {
                return None;
            }
            options.take(&name, value);
        }
        Some(options)
    }

    fn take(&mut self, name: &str, value: &str) {
        match name {
            "--tensor-parallel-size" | "-tp" => self.split = value.parse().ok().filter(|split| *split > 0),
            "--max-model-len" => self.context = context(value),
            "--kv-cache-dtype" if value.starts_with("fp8") => self.cache = CacheType::Fp8,
            "--kv-cache-dtype" => self.cache = CacheType::Auto,
            "--max-num-batched-tokens" => self.batched_tokens = tokens(value),
            "--max-num-seqs" => self.batched_sequences = tokens(value),
            "--quantization" | "-q" => self.quantization = Some(value.to_owned()),
            "--dtype" => self.is_float32 = matches!(value, "float" | "float32"),
            _ => {}
        }
    }
}

fn context(value: &str) -> Option<Context> {
    if matches!(value, "auto" | "-1") {
        return Some(Context::WhatFits);
    }
    tokens(value).map(Context::Tokens)
}

/// A number as vLLM reads it: `4096`, `8k` (8,000), `8K` (8,192), `1.5M` (`vllm/engine/arg_utils.py`,
/// `human_readable_int`).
fn tokens(value: &str) -> Option<u64> {
    if let Ok(number) = value.parse() {
        return Some(number);
    }
    let (number, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let unit = match unit {
        "k" => 1_000.0,
        "K" => 1_024.0,
        "m" => 1_000_000.0,
        "M" => 1_048_576.0,
        _ => return None,
    };
    let number = number.parse::<f64>().ok().filter(|number| (0.0..=1e6).contains(number))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded above")]
    let tokens = (number * unit) as u64;
    Some(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Options> {
        Options::read(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_last_word_counts() {
        let options = read(
            "org/m --tensor-parallel-size 2 -tp 4 --max_model_len=8K \
             --kv-cache-dtype fp8_e5m2 --max-num-seqs 64 --max-num-batched-tokens=2048 -q fp8",
        );
        let expected = Options {
            split: Some(4),
            spread: Spread { stages: 1, ranks: 1 },
            context: Some(Context::Tokens(8_192)),
            cache: CacheType::Fp8,
            batched_tokens: Some(2_048),
            batched_sequences: Some(64),
            quantization: Some("fp8".to_owned()),
            is_float32: false,
        };
        assert_eq!(options, Some(expected));
    }

    #[test]
    fn numbers_are_read_as_vllm_reads_them() {
        for (text, number) in [("4096", Some(4_096)), ("8k", Some(8_000)), ("1.5M", Some(1_572_864)), ("", None)] {
            assert_eq!(tokens(text), number, "{text}");
        }
        for odd in ["k", "-1k", "1e9K", "8x", "ä", "nanK"] {
            assert_eq!(tokens(odd), None, "{odd}");
        }
        assert_eq!(context("auto"), Some(Context::WhatFits));
    }

    #[test]
    fn what_is_spread_otherwise_is_not_judged() {
        assert_eq!(read("m --nnodes 2"), None);
        assert_eq!(read("m --cpu_offload_gb=10"), None);
        assert!(read("m --nnodes 1").is_some());
        let spread = read("m -pp 2 --data_parallel_size=4 --enable-expert-parallel").unwrap().spread;
        assert_eq!(spread, Spread { stages: 2, ranks: 4 });
    }
}
