use super::*;

/// Models `a` and `b` (chat), `v` (vision) and `e` (embedding), and `rest`.
fn faults_with(rest: &str) -> Vec<Fault> {
    let model = |name: &str, kind: &str| format!("  - {{ name: {name}, type: {kind} }}\n");
    let models = [model("a", "chat"), model("b", "chat"), model("v", "vision"), model("e", "embedding")].concat();
    faults(&format!("version: 1\nmodels:\n{models}{rest}"))
}

#[test]
fn what_takes_over_is_there_fits_and_stands_once() {
    let good =
        "routing: { fallbacks: { a: [b, v], '*': [a] }, context_window_fallbacks: { a: [v] }, max_fallbacks: 0 }";
    assert_eq!(faults_with(good), []);
    let of = |fallbacks: &str| faults_with(&format!("routing: {{ {fallbacks} }}"));
    let dangling = of("fallbacks: { a: [nope] }");
    assert_eq!(dangling[0].path, "routing.fallbacks.a[0]");
    assert!(dangling[0].message.contains("no model `nope`"), "{dangling:?}");
    let unknown = of("content_policy_fallbacks: { nope: [a] }");
    assert_eq!(unknown[0].path, "routing.content_policy_fallbacks.nope");
    assert_eq!(of("default_fallbacks: [nope]")[0].path, "routing.default_fallbacks[0]");
    assert_eq!(of("fallbacks: { a: [a] }")[0].path, "routing.fallbacks.a[0]");
    assert!(of("fallbacks: { a: [e] }")[0].message.contains("type embedding"));
    assert!(of("fallbacks: { a: [b, b] }")[0].message.contains("twice"));
    only(&of("fallbacks: { '*': [b] }, default_fallbacks: [a]"), "routing.default_fallbacks", "one of them");
    only(&of("max_fallbacks: 17"), "routing.max_fallbacks", "is 17; give 0 to 16");
}

#[test]
fn numbers_of_routing_have_bounds() {
    let of = |rest: &str| faults_with(&format!("routing: {{ {rest} }}"));
    only(&of("retry_policy: { rate_limit: 8 }"), "routing.retry_policy.rate_limit", "is 8; give 0 to 7");
    only(&of("lowest_latency_buffer: -1"), "routing.lowest_latency_buffer", "is -1");
    only(&of("lowest_latency_buffer: .nan"), "routing.lowest_latency_buffer", "NaN");
    only(&faults_of_model("retries: 9"), "models[0].retries", "is 9");
    only(&faults_of_model("retry_policy: { timeout: 9 }"), "models[0].retry_policy.timeout", "is 9");
    let cost = "deployments: [{ endpoint: { url: 'http://h' }, cost: { input: -1 } }]";
    only(&faults_of_model(cost), "models[0].deployments[0].cost.input", "is -1");
}

#[test]
fn aliases_lead_to_models_and_in_no_circle() {
    assert_eq!(faults_with("aliases: { gpt: a, o: gpt, h: { model: b, hidden: true } }"), []);
    let of = |aliases: &str| faults_with(&format!("aliases: {{ {aliases} }}"));
    assert_eq!(of("gpt: nope")[0].path, "aliases.gpt");
    assert!(of("gpt: nope")[0].message.contains("no model `nope`"));
    assert!(of("a: b")[0].message.contains("is the name of a model"));
    let circle = of("p: q, q: r, r: p");
    assert_eq!(circle.len(), 3);
    assert_eq!((circle[0].path.as_str(), circle[0].message.contains("`p` → `q` → `r` → `p`")), ("aliases.p", true));
    assert_eq!(of("x: x").len(), 1);
    assert!(of("models: a")[0].message.contains("reserved"));
}

#[test]
fn what_is_no_strategy_is_refused_and_all_are_named() {
    for text in [
        "version: 1\nrouting: { strategy: fastest }",
        "version: 1\nmodels: [{ name: m, type: chat, strategy: fastest }]",
    ] {
        let error = parse(text, Format::Yaml).unwrap_err().to_string();
        assert!(error.contains("fastest") && error.contains("strategy"), "{error}");
        for strategy in crate::Strategy::ALL {
            assert!(error.contains(strategy.as_str()), "{error}");
        }
    }
}
