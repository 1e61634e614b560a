use serde_json::{Value, json};

use super::*;
use crate::testing::{FACTS, document};

fn rendered(text: &str) -> (Value, Vec<String>) {
    let Body { text, notes } = render(&document(text), &FACTS);
    (serde_saphyr::from_str(&text).unwrap(), notes)
}

#[test]
fn endpoints_are_reached_directly_and_their_keys_are_variables() {
    let (config, notes) = rendered(
        "models:
  - name: gpt
    type: chat
    price: { input: 0.15, output: 0.6 }
    deployments:
      - { id: a, endpoint: { provider: openai, url: 'https://api.openai.com/v1', model: gpt-4o, credential: os.environ/OPENAI_API_KEY, weight: 3, rpm: 60 } }
      - { id: b, endpoint: { url: 'http://10.0.0.2:8000/v1' }, timeouts: { total: 60 } }",
    );
    let [first, second] = &config["model_list"].as_array().unwrap()[..] else { panic!("{config}") };
    let expected = json!({
        "model_name": "gpt",
        "litellm_params": {
            "model": "openai/gpt-4o", "api_base": "https://api.openai.com/v1", "api_key": "os.environ/OPENAI_API_KEY",
            "weight": 3, "rpm": 60, "timeout": 1800, "stream_timeout": 600,
            "input_cost_per_token": 1.5e-7, "output_cost_per_token": 6e-7,
        },
        "model_info": { "id": "a", "mode": "chat", "disable_background_health_check": true },
    });
    assert_eq!(*first, expected);
    assert_eq!(second["litellm_params"]["model"], "hosted_vllm/gpt");
    assert_eq!(second["litellm_params"]["timeout"], 60);
    assert_eq!(second["litellm_params"].get("api_key"), None, "else it would be asked for, or OpenAI's be presented");
    assert_eq!(notes, [""; 0]);
}

#[test]
fn engines_are_reached_through_enginehouse() {
    let (config, _) = rendered(
        "models: [{ name: org/tiny, type: rerank, deployments: [
            { id: r, endpoint: { url: 'http://10.0.0.2:8000/v1' } },
            { id: e, engine: { source: ./m, runtime: process, command: [x, '{port}'] } }] }]",
    );
    let list = config["model_list"].as_array().unwrap();
    assert_eq!(list.len(), 1, "Enginehouse chooses among the deployments: {list:?}");
    let params = &list[0]["litellm_params"];
    assert_eq!(params["model"], "hosted_vllm/org/tiny");
    assert_eq!(params["api_base"], "http://127.0.0.1:4000/models/org%2Ftiny/v1");
    assert_eq!(params["api_key"], "os.environ/ENGINEHOUSE_API_KEY");
    assert_eq!(list[0]["model_info"], json!({ "id": "e", "mode": "rerank", "disable_background_health_check": false }));
}

#[test]
fn settings_are_those_of_the_document() {
    let (config, notes) =
        rendered("routing: { strategy: simple-shuffle, retries: 1 }\ncache: { enabled: true, ttl_seconds: 60 }");
    assert_eq!(config["router_settings"]["routing_strategy"], "simple-shuffle");
    assert_eq!(config["router_settings"]["num_retries"], 1);
    assert_eq!(config["litellm_settings"]["cache_params"], json!({ "ttl": 60, "type": "local" }));
    assert_eq!(config["general_settings"]["master_key"], "os.environ/LITELLM_MASTER_KEY");
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[test]
fn what_takes_over_and_other_names_go_along() {
    let models = "models: [{ name: a, type: chat }, { name: b, type: chat }]";
    let routing = "routing: { strategy: usage-based-routing-v2, fallbacks: { a: [b] }, default_fallbacks: [b] }";
    let (config, _) = rendered(&format!("{models}\n{routing}\naliases: {{ gpt: a }}"));
    let settings = &config["router_settings"];
    assert_eq!(settings["routing_strategy"], "usage-based-routing-v2");
    assert_eq!(settings["fallbacks"], json!([{ "a": ["b"] }]));
    assert_eq!((&settings["default_fallbacks"], &settings["max_fallbacks"]), (&json!(["b"]), &json!(5)));
    assert_eq!(settings["model_group_alias"], json!({ "gpt": { "model": "a", "hidden": false } }));
}

#[test]
fn what_litellm_cannot_do_is_noted() {
    let (_, notes) =
        rendered("models: [{ name: m, type: chat, open_access: true, strategy: simple-shuffle, limits: { rpm: 1 } }]");
    assert_eq!(notes.len(), 4, "{notes:?}");
}
