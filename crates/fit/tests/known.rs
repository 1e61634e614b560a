//! Against published sizes of known models. The configs are the parts of the models' own that matter here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use fit::{Architecture, Attention, CacheType, Load, Quantization, Weights, check_split, estimate, fitting_splits};
use serde_json::{Value, json};

const GIB: u64 = 1 << 30;

fn read(config: &Value) -> Architecture {
    Architecture::read(config).unwrap()
}

fn llama_8b() -> Architecture {
    read(&json!({
        "hidden_size": 4096, "intermediate_size": 14336, "max_position_embeddings": 131_072,
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "torch_dtype": "bfloat16",
        "vocab_size": 128_256,
    }))
}

fn llama_70b() -> Architecture {
    read(&json!({
        "hidden_size": 8192, "intermediate_size": 28672, "max_position_embeddings": 131_072,
        "num_attention_heads": 64, "num_hidden_layers": 80, "num_key_value_heads": 8, "torch_dtype": "bfloat16",
        "vocab_size": 128_256,
    }))
}

fn llama_405b() -> Architecture {
    read(&json!({
        "hidden_size": 16384, "intermediate_size": 53248, "max_position_embeddings": 131_072,
        "num_attention_heads": 128, "num_hidden_layers": 126, "num_key_value_heads": 8, "torch_dtype": "bfloat16",
        "vocab_size": 128_256,
    }))
}

fn qwen25_72b() -> Architecture {
    read(&json!({
        "hidden_size": 8192, "intermediate_size": 29568, "max_position_embeddings": 32768, "max_window_layers": 70,
        "num_attention_heads": 64, "num_hidden_layers": 80, "num_key_value_heads": 8, "sliding_window": 131_072,
        "torch_dtype": "bfloat16", "use_sliding_window": false, "vocab_size": 152_064,
    }))
}

fn deepseek_v3() -> Architecture {
    read(&json!({
        "hidden_size": 7168, "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 163_840,
        "num_attention_heads": 128, "num_hidden_layers": 61, "num_key_value_heads": 128, "q_lora_rank": 1536,
        "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "torch_dtype": "bfloat16", "v_head_dim": 128,
        "vocab_size": 129_280,
    }))
}

fn gpt2() -> Architecture {
    read(
        &json!({ "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "vocab_size": 50257 }),
    )
}

/// Bytes that a token takes in the cache, all GPUs together.
fn of_token(architecture: &Architecture) -> u64 {
    architecture.kept(1, 1) * architecture.dtype_bytes
}

#[test]
fn a_token_takes_what_is_published() {
    // "Insights into DeepSeek-V3" (arXiv 2505.09343), table 1: KV cache per token in BF16.
    assert_eq!(of_token(&deepseek_v3()), 70_272);
    assert_eq!(of_token(&qwen25_72b()), 327_680);
    assert_eq!(of_token(&llama_405b()), 516_096);
    // Llama 3.1 8B keeps 128 KiB a token, 16 GiB at 131,072 of them; 70B 40 GiB ("Llama 3.1 - 405B, 70B & 8B", Hugging Face
    // blog, table of KV cache sizes: 15.62 and 39.06 GB at 128k = 128,000 tokens).
    let gib_at_128k = |architecture: &Architecture| of_token(architecture) * 128_000 * 100 / GIB;
    assert_eq!(gib_at_128k(&llama_8b()), 1_562);
    assert_eq!(gib_at_128k(&llama_70b()), 3_906);
    assert_eq!(of_token(&gpt2()), 12 * 2 * 768 * 2);
    assert_eq!(gpt2().attention, Attention::Heads { kv_heads: 12, head_dim: 64 });
}

#[test]
fn models_with_more_than_language_are_read_at_the_language_part() {
    let text = json!({
        "num_hidden_layers": 62, "num_attention_heads": 32, "num_key_value_heads": 16, "head_dim": 128,
        "hidden_size": 5376, "intermediate_size": 21504, "sliding_window": 1024, "sliding_window_pattern": 6,
    });
    let gemma =
        read(&json!({ "model_type": "gemma3", "torch_dtype": "bfloat16", "text_config": text, "vision_config": {} }));
    assert_eq!((gemma.full_layers, gemma.sliding_layers, gemma.window), (10, 52, 1024));
    let (short, long) = (gemma.kept(1_000, 1), gemma.kept(100_000, 1));
    assert_eq!(short, 62 * 1_000 * 2 * 16 * 128);
    assert_eq!(long, (10 * 100_000 + 52 * 1_024) * 2 * 16 * 128);
}

#[test]
fn splits_that_do_not_divide_the_heads_are_refused_with_those_that_do() {
    let refused = |architecture: &Architecture, split| check_split(architecture, split).unwrap_err().to_string();
    let three = refused(&llama_70b(), 3);
    assert!(
        three.contains("64 attention heads (8 of keys and values)") && three.contains("2 or 4 would do"),
        "{three}"
    );
    assert!(refused(&gpt2(), 8).contains("6 or 12 would do"));
    assert!(refused(&llama_8b(), 0).contains("0 GPUs; 1 would do"));
    assert!(refused(&llama_8b(), 100).contains("32 would do"));
    assert_eq!(fitting_splits(&llama_70b(), 8), [1, 2, 4, 8]);
    assert_eq!(fitting_splits(&gpt2(), 8), [1, 2, 3, 4, 6]);
    // 28 query heads on 4 of keys and values (Qwen2.5-7B): 7 divides the first but not the second.
    let qwen = read(&json!({
        "hidden_size": 3584, "num_attention_heads": 28, "num_hidden_layers": 28, "num_key_value_heads": 4,
    }));
    assert_eq!(fitting_splits(&qwen, 32), [1, 2, 4, 28]);
}

#[test]
fn what_is_known_to_fit_fits_and_what_is_not_does_not() {
    // Bytes of the weights as their index files state them (`metadata.total_size`).
    let bf16_8b = Weights { numbers: 8_030_261_248, bytes: 16_060_522_496 };
    let bf16_70b = Weights { numbers: 70_553_706_496, bytes: 141_107_412_992 };
    assert_eq!(Weights::of_parameters(bf16_8b.numbers, Quantization::None).bytes, bf16_8b.bytes);
    assert_eq!(Weights::of_parameters(bf16_70b.numbers, Quantization::None).bytes, bf16_70b.bytes);

    let fits = |architecture: &Architecture, weights, split, gib: u64, context| {
        estimate(architecture, weights, &Load::usual(split, gib * GIB, context)).unwrap().fits()
    };
    assert!(fits(&llama_8b(), bf16_8b, 1, 24, 8_192), "8B at 8k runs on 24 GB");
    assert!(!fits(&llama_8b(), bf16_8b, 1, 24, 131_072), "but not at its full context");
    assert!(!fits(&llama_8b(), bf16_8b, 1, 16, 1_024));
    assert!(!fits(&llama_70b(), bf16_70b, 1, 80, 1_024));
    assert!(!fits(&llama_70b(), bf16_70b, 1, 141, 1_024));
    assert!(fits(&llama_70b(), bf16_70b, 4, 80, 131_072), "70B at its full context runs on four of 80 GB");
    let int4 = Weights::of_parameters(bf16_70b.numbers, Quantization::Int4);
    assert!(fits(&llama_70b(), int4, 1, 80, 32_768), "70B in 4 bits runs on one of 80 GB");
}

#[test]
fn the_largest_context_is_the_last_that_fits() {
    let weights = Weights { numbers: 8_030_261_248, bytes: 16_060_522_496 };
    let load = Load::usual(1, 24 * GIB, 1);
    let largest = estimate(&llama_8b(), weights, &load).unwrap().largest_context;
    let at = |context| estimate(&llama_8b(), weights, &Load { context, ..load }).unwrap();
    assert!(at(largest).fits() && !at(largest + 1).fits(), "{largest}");
    let fp8 = estimate(&llama_8b(), weights, &Load { cache: CacheType::Fp8, ..load }).unwrap().largest_context;
    assert!(fp8 >= largest * 2, "half the bytes, twice the tokens: {largest} {fp8}");
    let much = estimate(&llama_8b(), weights, &Load::usual(1, 1_000 * GIB, 1)).unwrap();
    assert_eq!(much.largest_context, 131_072, "never more than the model has");
    let little = estimate(&llama_8b(), weights, &Load::usual(1, 8 * GIB, 1)).unwrap();
    assert_eq!(little.largest_context, 0);
}

#[test]
fn each_gpu_has_its_share_of_heads_and_all_of_a_latent_vector() {
    let on = |architecture: &Architecture, split| architecture.kept(1, split);
    assert_eq!(on(&llama_70b(), 8) * 8, on(&llama_70b(), 1));
    assert_eq!(on(&llama_70b(), 16), on(&llama_70b(), 8), "more GPUs than heads: each has a copy");
    assert_eq!(on(&deepseek_v3(), 8), on(&deepseek_v3(), 1));
}

/// Qwen3-30B-A3B: 30.5 billion numbers.
fn qwen3_30b_a3b() -> Architecture {
    read(&json!({
        "decoder_sparse_step": 1, "head_dim": 128, "hidden_size": 2048, "intermediate_size": 6144,
        "max_position_embeddings": 40_960, "moe_intermediate_size": 768, "num_attention_heads": 32, "num_experts": 128,
        "num_hidden_layers": 48, "num_key_value_heads": 4, "torch_dtype": "bfloat16", "vocab_size": 151_936,
    }))
}

fn mixtral_8x7b() -> Architecture {
    read(&json!({
        "hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32, "num_hidden_layers": 32,
        "num_key_value_heads": 8, "num_local_experts": 8, "torch_dtype": "bfloat16", "vocab_size": 32_000,
    }))
}

#[test]
fn experts_have_most_of_the_numbers() {
    // Published: 30.5 billion, 29.9 of them not embeddings (model card of Qwen3-30B-A3B); 46.7 billion, of which a token uses
    // 12.9, with two of eight experts: 45.1 are experts' (Mixtral of Experts, arXiv 2401.04088).
    assert_eq!(qwen3_30b_a3b().expert_permille(), 950);
    assert_eq!(mixtral_8x7b().expert_permille(), 966);
    assert_eq!(llama_70b().expert_permille(), 0);
}

#[test]
fn stages_ranks_and_experts_divide_what_they_do() {
    let weights = |architecture: &Architecture, load: Load| {
        let all = Weights { numbers: 50 * GIB, bytes: 100 * GIB };
        let estimate = estimate(architecture, all, &load).unwrap();
        (estimate.weights * 10 / GIB, estimate.cache)
    };
    let (dense, load) = (llama_70b(), Load::usual(2, 80 * GIB, 8_192));
    let (_, cache) = weights(&dense, load);
    assert_eq!(weights(&dense, load), (500, cache));
    assert_eq!(weights(&dense, Load { stages: 2, ..load }), (250, cache / 2), "half of the layers");
    assert_eq!(weights(&dense, Load { stages: 3, ..load }).0, 168, "27 of 80 layers at most");
    assert_eq!(weights(&dense, Load { ranks: 4, ..load }), (500, cache), "each has all of it");
    let sparse = qwen3_30b_a3b();
    assert_eq!(weights(&sparse, load).0, 500);
    // 95 GiB over 8 GPUs, 5 GiB over 2.
    assert_eq!(weights(&sparse, Load { ranks: 4, ..load }).0, 143);
}
