use http::Method;
use serde_json::{Value, json};

use super::{containers, daemon, model, served};

/// What each type is asked, and what of its arguments no other program would do.
fn types() -> [(&'static str, &'static str, Value, &'static [&'static str]); 6] {
    let messages = json!([{"role": "user", "content": "Hello"}]);
    let generate: &[_] = &["--runner generate", "--enable-prompt-tokens-details"];
    let (chat, pooling, omni) = ("/v1/chat/completions", &["--runner pooling"][..], &["--omni"][..]);
    [
        ("chat", chat, json!({"messages": messages}), generate),
        ("vision", chat, json!({"messages": messages}), generate),
        ("embedding", "/v1/embeddings", json!({"input": "Hello"}), pooling),
        ("rerank", "/v1/rerank", json!({"query": "a", "documents": ["a", "b"]}), pooling),
        ("text-to-speech", "/v1/audio/speech", json!({"input": "Hello", "voice": "alloy"}), omni),
        ("image-generation", "/v1/images/generations", json!({"prompt": "a house"}), omni),
    ]
}

/// A recording for `speech-to-text`.
const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nspeech-to-text\r\n--b\r\n\
    Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF0000\r\n--b--\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_seven_types_are_served_from_containers() {
    let Some(daemon) = daemon().await else { return };
    let of = |name: &str| model(name, name, &json!({"env": {"ENGINE_SIM_ARGS": format!("--type {name}")}}));
    let mut names = types().map(|(name, ..)| name).to_vec();
    names.push("speech-to-text");
    let server = served(&daemon, &names.iter().map(|name| of(name)).collect::<Vec<_>>()).await;
    for (name, path, mut body, words) in types() {
        body["model"] = name.into();
        server.client().post(path, &body).await.expect(200);
        let made = daemon.inspect(&format!("enginehouse-d-{name}-0"));
        let line =
            made["Config"]["Cmd"].as_array().unwrap().iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
        assert!(
            line.starts_with(&format!("Org/Model --served-model-name {name} --host 0.0.0.0 --port 8000")),
            "{line}"
        );
        assert!(words.iter().all(|word| line.contains(word)), "{name}: {line}");
    }
    let form = server.client().with_header("content-type", "multipart/form-data; boundary=b");
    form.send(Method::POST, "/v1/audio/transcriptions", FORM).await.expect(200);

    for name in &names {
        let made = daemon.inspect(&format!("enginehouse-d-{name}-0"));
        let labels = &made["Config"]["Labels"];
        assert_eq!(
            (&labels["managed-by"], &labels["model-name"], &labels["model-type"], &labels["replica"]),
            (&json!("enginehouse"), &json!(name), &json!(name), &json!("0"))
        );
        let host = &made["HostConfig"];
        assert_eq!((&host["RestartPolicy"]["Name"], &host["ShmSize"]), (&json!("no"), &json!(64 << 20)));
        assert!(host["PortBindings"].as_object().is_none_or(serde_json::Map::is_empty), "no port of the machine");
        let limits = json!({"Type": "json-file", "Config": {"max-size": "1048576", "max-file": "3"}});
        assert_eq!(host["LogConfig"], limits);
        let env = made["Config"]["Env"].as_array().unwrap();
        assert!(env.contains(&json!("HF_HUB_OFFLINE=1")), "{env:?}");
        assert!(made["NetworkSettings"]["Networks"]["llm-network"].is_object());
    }
    let listed = server.cli(&["model", "list"]);
    assert_eq!(listed.ok().matches("1/1").count(), 7, "{}", listed.stdout);
    let log = server.cli(&["model", "logs", "chat"]);
    assert!(log.ok().contains("Loading weights took"), "a container's log is read like any: {}", log.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fields_of_an_engine_reach_its_container() {
    let Some(daemon) = daemon().await else { return };
    // The port is free now; somebody might take it until it is used, and then the test says so.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let engine = json!({
        "revision": "v1", "max_model_len": 4096, "quantization": "fp8", "kv_cache_dtype": "fp8",
        "gpu_memory_utilization": 0.85, "max_num_batched_tokens": 2048, "tool_call_parser": "hermes",
        "reasoning_parser": "qwen3", "args": ["--max-num-seqs", "64"], "env": {"VLLM_LOGGING_LEVEL": "WARNING"},
        "host_port": port,
    });
    let server = served(&daemon, &[model("m", "chat", &engine)]).await;
    let made = daemon.inspect("enginehouse-d-m-0");
    let line = made["Config"]["Cmd"].as_array().unwrap().iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
    let expected = "--revision v1 --max-model-len 4096 --quantization fp8 --kv-cache-dtype fp8 \
        --gpu-memory-utilization 0.85 --max-num-batched-tokens 2048 --tool-call-parser hermes --reasoning-parser qwen3 \
        --enable-auto-tool-choice --runner generate --enable-prompt-tokens-details --max-num-seqs 64";
    assert!(line.ends_with(expected), "{line}");
    assert!(made["Config"]["Env"].as_array().unwrap().contains(&json!("VLLM_LOGGING_LEVEL=WARNING")));

    let bindings = &made["HostConfig"]["PortBindings"];
    assert_eq!(*bindings, json!({"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": port.to_string()}]}));
    let local = support::Http::to(([127, 0, 0, 1], port).into());
    let body = json!({"model": "m", "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]});
    local.post("/v1/chat/completions", &body).await.expect(200);
    assert_eq!(containers(&daemon, "m").len(), 1);
    drop(server);
}
