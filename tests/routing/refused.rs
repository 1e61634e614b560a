//! What is wrong is named, and nothing of it is kept.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn wrong_routing_is_named_and_nothing_is_stored() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m"]).await;
    let server = Server::start(&program).await;
    let models = [model("a", &engine, 1), model("b", &engine, 1)];
    let good = desired(&models, &json!({ "fallbacks": { "a": ["b"] } }));
    server.apply(&good);
    let before = server.cli(&["config", "export"]).ok().to_owned();
    let wrong = [
        (json!({ "routing": { "strategy": "fastest" } }), &["strategy", "fastest", "latency-based-routing"][..]),
        (json!({ "routing": { "fallbacks": { "a": ["nope"] } } }), &["routing.fallbacks.a[0]", "nope"]),
        (json!({ "routing": { "fallbacks": { "nope": ["a"] } } }), &["routing.fallbacks.nope"]),
        (json!({ "routing": { "fallbacks": { "a": ["a"] } } }), &["routing.fallbacks.a[0]", "itself"]),
        (json!({ "routing": { "default_fallbacks": ["gone"] } }), &["routing.default_fallbacks[0]", "gone"]),
        (json!({ "routing": { "max_fallbacks": 99 } }), &["max_fallbacks is 99"]),
        (json!({ "routing": { "retries": -1 } }), &["retries", "-1"]),
        (json!({ "routing": { "retry_policy": { "timeout": 100 } } }), &["retry_policy.timeout", "100"]),
        (json!({ "routing": { "retry_policy": { "tiemout": 1 } } }), &["tiemout", "timeout"]),
        (json!({ "routing": { "lowest_latency_buffer": -0.5 } }), &["lowest_latency_buffer is -0.5"]),
        (json!({ "aliases": { "x": "y", "y": "x" } }), &["aliases.x", "`x` → `y` → `x`"]),
        (json!({ "aliases": { "x": "nope" } }), &["aliases.x", "nope"]),
        (json!({ "aliases": { "a": "b" } }), &["aliases.a", "name of a model"]),
    ];
    for (change, words) in wrong {
        let mut document = document::of(&models);
        for (field, value) in change.as_object().unwrap() {
            document[field] = value.clone();
        }
        let file = server.folder().join("wrong.json");
        std::fs::write(&file, document.to_string()).unwrap();
        let told = server.cli(&["apply", "-f", file.to_str().unwrap()]);
        let told = told.fails_with(1);
        for word in words {
            assert!(told.contains(word), "{word}: {told}");
        }
    }
    let told = server.cli(&["config", "stage", "settings/routing", "--set", "strategy=fastest"]);
    let told = told.fails_with(1);
    assert!(told.contains("strategy") && told.contains("`cost-based-routing`"), "{told}");
    assert_eq!(server.cli(&["config", "export"]).ok(), before, "nothing of it was kept");
    // What something names is not deleted.
    let mut without = good.clone();
    without["models"].as_array_mut().unwrap().pop();
    let file = server.folder().join("wrong.json");
    std::fs::write(&file, without.to_string()).unwrap();
    let told = server.cli(&["apply", "-f", file.to_str().unwrap()]);
    assert!(told.fails_with(1).contains("routing.fallbacks.a[0]"));
}
