use std::path::Path;

use super::{Scene, Server, apply, document, fs, gpus, json, on, until_says};
use serde_json::Value;

/// The shape of Llama 3.1 70B: 64 heads, 8 of keys and values.
const CONFIG: &str = r#"{"num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8, "hidden_size": 8192,
    "intermediate_size": 28672, "vocab_size": 128256, "max_position_embeddings": 131072, "torch_dtype": "bfloat16"}"#;

/// A model of so many numbers of 16 bits, as its headers say.
fn write(folder: &Path, numbers: u64) {
    let header = json!({"t": {"dtype": "BF16", "shape": [numbers], "data_offsets": [0, numbers * 2]}}).to_string();
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("config.json"), CONFIG).unwrap();
    let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    fs::write(folder.join("model.safetensors"), file).unwrap();
}

/// A program that passes for vLLM: what is judged is its command line.
fn model(server: &Server, source: &Path, gpus: &Value, args: &[&str]) -> Value {
    let program = server.home().join("bin/vllm");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::write(&program, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    let mut mode = fs::metadata(&program).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    fs::set_permissions(&program, mode).unwrap();
    let command = json!([program, "serve", "{source}", "--uds", "{socket}"]);
    let engine = json!({"source": source, "runtime": "process", "command": command, "gpus": gpus, "args": args});
    json!({"name": "large", "type": "chat", "deployments": [{"id": "d-large", "engine": engine}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_refused_with_what_would() {
    let (_program, server) = on(&Scene::h100x8()).await;
    assert_eq!(gpus(&server)["gpus"].as_array().map(Vec::len), Some(8));
    let folder = server.home().join("seventy");
    write(&folder, 70_600_000_000);
    let with = |gpus: Value, args: &[&str]| document::of(&[model(&server, &folder, &gpus, args)]);
    let refused = apply(&server, &with(json!([0]), &["--tensor-parallel-size", "1"]));
    let shown = refused.fails_with(1);
    let expected = "models[0].deployments[0].engine: takes about ";
    assert!(shown.contains(expected) && shown.contains("weights 131.5 GiB"), "{shown}");
    assert!(shown.contains("quantization: fp8"), "{shown}");
    let refused = apply(&server, &with(json!([0, 1, 2]), &["--tensor-parallel-size", "3"]));
    let shown = refused.fails_with(1);
    assert!(shown.contains("64 attention heads (8 of keys and values) cannot be split over 3 GPUs; 2 or 4"), "{shown}");
    assert_eq!(server.cli(&["model", "list", "--json"]).json(), json!([]), "nothing was applied");
    // Who knows better sets the margin, and gets a warning.
    let mut lax = with(json!([0]), &["--tensor-parallel-size", "1"]);
    lax["defaults"] = json!({"fit": {"margin": 10}});
    let applied = apply(&server, &lax);
    applied.ok();
    assert!(format!("{}{}", applied.stdout, applied.stderr).contains("takes about "), "{applied:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_turns_out_to_be_too_large_is_not_started() {
    let (_program, server) = on(&Scene::h100x8()).await;
    let folder = server.home().join("seventy");
    // Nothing is known of it when it is applied.
    apply(&server, &document::of(&[model(&server, &folder, &json!([0]), &[])])).ok();
    until_says(&server, "large", "starting", "").await;
    write(&folder, 70_600_000_000);
    server.cli(&["model", "restart", "large"]).ok();
    until_says(&server, "large", "backing_off", "takes about ").await;
}
