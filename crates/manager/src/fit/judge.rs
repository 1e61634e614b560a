use std::fmt;

use fit::{Estimate, Load, check_split, estimate};

use super::options::{Context, Options};
use super::shape::Shape;
use crate::placement::{Device, gib};

/// Tokens of a request where neither engine nor model says anything.
const CONTEXT: u64 = 2_048;

/// A model, how it is to be served, and where.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) shape: &'a Shape,
    pub(super) options: &'a Options,
    /// GPUs that share each layer.
    pub(super) split: u64,
    /// GPUs that a replica gets; 0 where nobody says.
    pub(super) count: u64,
    /// The GPUs of all its replicas; none where they are not known.
    pub(super) gpus: &'a [&'a Device],
    /// Share of each GPU's memory that the engine may take.
    pub(super) share: f64,
    /// Share by which it may exceed what is there and is only warned of.
    pub(super) margin: f64,
}

/// How it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It fits, or nothing is known of the GPUs.
    Fits,
    /// It exceeds what is there, by less than the margin.
    Tight(String),
    /// It exceeds what is there by more.
    TooLarge(String),
    /// Its heads cannot be dealt out to the GPUs.
    Split(String),
}

/// Where it is, for people.
struct Gpus(u64);

/// What is needed and what is there, in words.
struct Story<'a> {
    asked: &'a Asked<'a>,
    estimate: Estimate,
    context: u64,
    gpu: &'a Device,
    gpu_bytes: u64,
}

/// Judges by the smallest of the GPUs: each holds an equal part.
pub(super) fn judge(asked: &Asked<'_>) -> Verdict {
    let architecture = &asked.shape.architecture;
    if let Err(unfit) = check_split(architecture, asked.split) {
        return Verdict::Split(format!("{unfit}; give a replica so many GPUs, or set tensor_parallel_size"));
    }
    if let Some(reason) = spread_too_far(asked) {
        return Verdict::Split(reason);
    }
    let sizes = asked.gpus.iter().filter_map(|gpu| Some((*gpu, gpu.memory?.total)));
    let Some((gpu, gpu_bytes)) = sizes.min_by_key(|(_, bytes)| *bytes) else { return Verdict::Fits };
    let context = match asked.options.context {
        Some(Context::Tokens(tokens)) => tokens,
        Some(Context::WhatFits) => 1,
        None => architecture.context.unwrap_or(CONTEXT),
    };
    let load = load(asked, gpu_bytes, context);
    let Ok(estimate) = estimate(architecture, asked.shape.weights(asked.options), &load) else { return Verdict::Fits };
    if estimate.fits() {
        return Verdict::Fits;
    }
    let story = Story { asked, estimate, context, gpu, gpu_bytes };
    if exceeds(&estimate, asked.margin) {
        Verdict::TooLarge(story.to_string())
    } else {
        Verdict::Tight(story.to_string())
    }
}

/// Why no GPUs or no layers are left for some part of it.
fn spread_too_far(asked: &Asked<'_>) -> Option<String> {
    let (spread, layers) = (asked.options.spread, asked.shape.architecture.layers());
    if spread.stages > layers {
        let stages = spread.stages;
        return Some(format!("its {layers} layers cannot be dealt out to {stages} stages (--pipeline-parallel-size)"));
    }
    let needed = asked.split.saturating_mul(spread.groups());
    (asked.count > 0 && spread.groups() > 1 && needed != asked.count).then(|| {
        format!(
            "needs {needed} GPUs a replica (tensor parallel {} x pipeline parallel {} x data parallel {}) and gets {}; give it so              many, or other sizes",
            asked.split, spread.stages, spread.ranks, asked.count
        )
    })
}

fn load(asked: &Asked<'_>, gpu_bytes: u64, context: u64) -> Load {
    let Options { cache, batched_tokens, batched_sequences, .. } = asked.options;
    let usual = Load::usual(asked.split, gpu_bytes, context);
    Load {
        utilization_permille: permille(asked.share),
        cache: *cache,
        stages: asked.options.spread.stages,
        ranks: asked.options.spread.ranks,
        batched_tokens: batched_tokens.unwrap_or(usual.batched_tokens),
        batched_sequences: batched_sequences.unwrap_or(usual.batched_sequences),
        ..usual
    }
}

fn permille(share: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
    let permille = (share.clamp(0.0, 1.0) * 1_000.0).round() as u64;
    permille
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory, compared by a share")]
fn exceeds(estimate: &Estimate, margin: f64) -> bool {
    estimate.total() as f64 > estimate.budget as f64 * (1.0 + margin)
}

// === impl Story ===

impl fmt::Display for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Estimate { weights, cache, activations, fixed, budget, largest_context } = self.estimate;
        write!(
            f,
            "takes about {} GiB on {} (weights {} GiB, {} tokens of KV cache {} GiB, activations {} GiB, the engine itself \
             {} GiB), but may take {} GiB of {} (gpu_memory_utilization {} of {} GiB); ",
            gib(self.estimate.total()),
            Gpus(self.asked.split.saturating_mul(self.asked.options.spread.groups())),
            gib(weights),
            self.context,
            gib(cache),
            gib(activations),
            gib(fixed),
            gib(budget),
            self.gpu,
            self.asked.share,
            gib(self.gpu_bytes)
        )?;
        if largest_context > 0 {
            write!(f, "max_model_len {largest_context} would fit, or give it more GPUs")
        } else {
            f.write_str("give it more GPUs, or weights in fewer bits (quantization: fp8)")
        }
    }
}

// === impl Gpus ===

impl fmt::Display for Gpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 1 { f.write_str("its GPU") } else { write!(f, "each of its {} GPUs", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hardware::Memory;
    use hub::Look;
    use serde_json::{Value, json};

    use super::*;

    const H100: u64 = 80 << 30;

    fn shape(config: &Value, bytes: u64) -> Shape {
        let contents = BTreeMap::from([("config.json".to_owned(), config.to_string().into_bytes())]);
        let sizes = BTreeMap::from([("model.safetensors".to_owned(), bytes)]);
        Shape::of_look(&Look { commit: String::new(), sizes, contents, tags: Vec::new() }).unwrap()
    }

    /// Llama 3.1 70B, by its `config.json`; 70.6 billion numbers of 16 bits.
    fn llama_70b() -> Shape {
        let config = json!({
            "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8, "hidden_size": 8_192,
            "intermediate_size": 28_672, "vocab_size": 128_256, "max_position_embeddings": 131_072,
            "torch_dtype": "bfloat16",
        });
        shape(&config, 141_107_000_000)
    }

    fn judged(shape: &Shape, line: &str, gpus: &[u64], margin: f64) -> Verdict {
        let options = Options::read(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()).unwrap();
        let device = |(index, total): (u32, &u64)| Device {
            index,
            memory: Some(Memory { total: *total, used: 0, free: *total, unified: false }),
            ..Device::named("GPU")
        };
        let devices: Vec<_> = (0..).zip(gpus).map(device).collect();
        let gpus: Vec<_> = devices.iter().collect();
        let count = gpus.len() as u64;
        let split = options.split.unwrap_or_else(|| options.spread.shared_by(count)).max(1);
        judge(&Asked { shape, options: &options, split, count, gpus: &gpus, share: 0.92, margin })
    }

    #[test]
    fn a_model_fits_its_gpus_or_is_told_what_would() {
        let model = llama_70b();
        assert_eq!(judged(&model, "m", &[H100; 4], 0.1), Verdict::Fits);
        assert_eq!(judged(&model, "m --quantization fp8 --max-model-len 8192", &[H100; 2], 0.1), Verdict::Fits);
        let Verdict::TooLarge(alone) = judged(&model, "m", &[H100], 0.1) else { panic!("141 GB in 80") };
        assert!(alone.contains("weights 131.4 GiB") && alone.contains("quantization: fp8"), "{alone}");
        let Verdict::TooLarge(long) = judged(&model, "m", &[H100; 2], 0.1) else {
            panic!("131,072 tokens beside 66 GiB")
        };
        assert!(long.contains("131072 tokens of KV cache 20.0 GiB") && long.contains("would fit"), "{long}");
        assert_eq!(judged(&model, "m --max-model-len auto", &[H100; 2], 0.1), Verdict::Fits);
    }

    #[test]
    fn the_margin_is_between_a_warning_and_a_refusal() {
        let model = llama_70b();
        assert!(matches!(judged(&model, "m", &[H100; 2], 1.0), Verdict::Tight(_)));
        assert!(matches!(judged(&model, "m", &[H100; 2], 0.0), Verdict::TooLarge(_)));
    }

    #[test]
    fn the_smallest_gpu_decides() {
        let model = llama_70b();
        assert_eq!(judged(&model, "m --max-model-len 8192", &[H100; 2], 0.0), Verdict::Fits);
        let Verdict::TooLarge(told) = judged(&model, "m --max-model-len 8192", &[H100, 40 << 30], 0.0) else {
            panic!()
        };
        assert!(told.contains("of GPU 1 (gpu_memory_utilization 0.92 of 40.0 GiB)"), "{told}");
    }

    #[test]
    fn heads_that_cannot_be_dealt_out_are_told_with_what_can() {
        let told = judged(&llama_70b(), "m", &[H100; 3], 0.1);
        let Verdict::Split(told) = told else { panic!("{told:?}") };
        assert!(
            told.contains("64 attention heads (8 of keys and values) cannot be split over 3 GPUs; 2 or 4"),
            "{told}"
        );
        assert!(matches!(judged(&llama_70b(), "m --tensor-parallel-size 3", &[], 0.1), Verdict::Split(_)));
        assert_eq!(judged(&llama_70b(), "m --tensor-parallel-size 2", &[], 0.1), Verdict::Fits);
    }

    #[test]
    fn what_is_spread_over_stages_is_judged_by_a_stage() {
        let model = llama_70b();
        let line = "m --max-model-len 8192 --pipeline-parallel-size 4";
        assert_eq!(judged(&model, line, &[48 << 30; 4], 0.0), Verdict::Fits);
        // Each rank has all of it.
        let ranks = "m --max-model-len 8192 --data-parallel-size 4";
        let Verdict::TooLarge(told) = judged(&model, ranks, &[48 << 30; 4], 0.1) else { panic!("141 GB in 48") };
        assert!(told.contains("on each of its 4 GPUs (weights 131.4 GiB"), "{told}");
        // Three stages of 80 layers share no head: any number will do.
        assert_eq!(judged(&model, "m --max-model-len 8192 -pp 3", &[H100; 3], 0.0), Verdict::Fits);
        let Verdict::Split(told) = judged(&model, "m -pp 2 -tp 4", &[H100; 4], 0.0) else { panic!() };
        assert!(
            told.contains("needs 8 GPUs a replica (tensor parallel 4 x pipeline parallel 2 x data parallel 1)"),
            "{told}"
        );
        let Verdict::Split(told) = judged(&model, "m -pp 81", &[], 0.0) else { panic!() };
        assert!(told.contains("80 layers cannot be dealt out to 81 stages"), "{told}");
    }
}
