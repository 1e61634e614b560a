use proptest::prelude::*;

use super::*;
use crate::{Fault, Format, arbitrary::documents, parse};

mod bad_input;
mod routing;

fn faults(yaml: &str) -> Vec<Fault> {
    let document = parse(yaml, Format::Yaml).unwrap_or_else(|error| panic!("{error}"));
    validate(&document).err().map(Faults::into_vec).unwrap_or_default()
}

/// The faults of a document with one model, of which `rest` are further fields.
fn faults_of_model(rest: &str) -> Vec<Fault> {
    faults(&format!("version: 1\nmodels:\n  - {{ name: m, type: chat, {rest} }}"))
}

fn faults_of_endpoint(endpoint: &str) -> Vec<Fault> {
    faults_of_model(&format!("deployments: [{{ endpoint: {{ {endpoint} }} }}]"))
}

/// Of a process engine that is right but for `rest`.
fn faults_of_engine(rest: &str) -> Vec<Fault> {
    faults_of_model(&format!(
        "deployments: [{{ engine: {{ source: s, runtime: process, command: [x, '{{port}}'], {rest} }} }}]"
    ))
}

#[track_caller]
fn only(faults: &[Fault], path: &str, words: &str) {
    let [fault] = faults else { panic!("one fault, not {faults:#?}") };
    assert_eq!(fault.path, path, "{fault}");
    assert!(fault.message.contains(words), "{fault}");
    let field = path.rsplit(['.', ']']).find(|field| !field.is_empty()).unwrap_or_default();
    let list = field.split('[').next().unwrap_or_default();
    assert!(fault.message.contains(list), "the message names the field: {fault}");
}

#[test]
fn a_good_document_has_no_fault() {
    assert_eq!(faults("version: 1"), []);
    assert_eq!(faults_of_endpoint("url: 'https://api.example.com:8443/v1', credential: os.environ/KEY, weight: 0"), []);
    assert_eq!(faults_of_endpoint("url: 'http://[::1]:8000'"), []);
    assert_eq!(faults_of_endpoint("url: os.environ/ENDPOINT"), []);
    assert_eq!(
        faults_of_engine("gpus: [0, 1, GPU-1f, a], replicas: 2, env: { A_1: os.environ/B }, start_timeout: 60"),
        []
    );
    assert_eq!(faults_of_engine("gpus: [all], replicas: 8"), []);
}

#[test]
fn a_deployment_can_have_time_outs_of_its_own() {
    let of = |timeouts: &str| {
        faults_of_model(&format!("deployments: [{{ endpoint: {{ url: 'http://h' }}, timeouts: {timeouts} }}]"))
    };
    assert_eq!(of("{ first_byte: 2.5 }"), []);
    only(&of("{ total: 0 }"), "models[0].deployments[0].timeouts.total", "above 0");
}

#[test]
fn requests_have_bounds() {
    assert_eq!(faults("version: 1\nrequests: { max_body_bytes: 134217728 }"), []);
    only(&faults("version: 1\nrequests: { max_body_bytes: 12 }"), "requests.max_body_bytes", "1024");
    only(
        &faults("version: 1\nrequests: { max_response_bytes: 99999999999 , max_buffered_bytes: 68719476736 }"),
        "requests.max_response_bytes",
        "68719476736",
    );
    only(
        &faults("version: 1\nrequests: { max_buffered_bytes: 67108863, max_response_bytes: 2048 }"),
        "requests.max_body_bytes",
        "more than max_buffered_bytes",
    );
}

#[test]
fn the_cache_has_bounds() {
    assert_eq!(faults("version: 1\ncache: { enabled: true, namespace: all, coalesce: true }"), []);
    only(&faults("version: 1\ncache: { ttl_seconds: 0 }"), "cache.ttl_seconds", "above 0");
    only(&faults("version: 1\ncache: { max_entry_bytes: 12 }"), "cache.max_entry_bytes", "1024");
    only(&faults("version: 1\ncache: { max_bytes: 2048 }"), "cache.max_entry_bytes", "more than max_bytes");
    only(&faults("version: 1\ncache: { namespace: '' }"), "cache.namespace", "1 to 256");
}

#[test]
fn all_faults_are_named_at_once_in_the_order_of_the_document() {
    let found = faults(
        "version: 2\n\
         models:\n\
         \x20 - { name: v1, type: chat, deployments: [{}, { endpoint: { url: 'ftp://h', weight: 1001 } }], price: { output: -1 } }\n\
         routing: { retries: 8 }",
    );
    let paths: Vec<_> = found.iter().map(|fault| fault.path.as_str()).collect();
    let expected = [
        "version",
        "models[0].name",
        "models[0].deployments[0]",
        "models[0].deployments[1].endpoint.url",
        "models[0].deployments[1].endpoint.weight",
        "models[0].price.output",
        "routing.retries",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn versions_other_than_1_are_refused() {
    only(&faults("version: 3"), "version", "version is 3; this build reads version 1");
}

#[test]
fn names_of_models() {
    let named = |name: &str| faults(&format!("version: 1\nmodels: [{{ name: {name}, type: chat }}]"));
    let long = "x".repeat(257);
    for (name, words) in [
        ("\"\"", "name is empty; give 1 to 256 bytes"),
        ("\"a\\nb\"", r"name is `a\nb`; it must not hold control characters"),
        ("open", "name is `open`, but `models`, `open`, `v1` are reserved"),
        ("models", "reserved"),
        ("v1", "reserved"),
        (&long, "with 257 bytes; give at most 256"),
    ] {
        only(&named(name), "models[0].name", words);
    }
    for name in ["Open", "Qwen/Qwen3-8B", "é".repeat(128).as_str(), "v1/x"] {
        assert_eq!(named(name), [], "{name}");
    }
}

#[test]
fn names_are_unique() {
    let found = faults("version: 1\nmodels: [{name: a, type: chat}, {name: b, type: chat}, {name: a, type: rerank}]");
    only(&found, "models[2].name", "name is `a`, which models[0] has too");
}

#[test]
fn a_deployment_is_one_of_two() {
    let both = "{ endpoint: { url: 'http://h' }, engine: { source: s, runtime: process, command: ['{port}'] } }";
    let path = "models[0].deployments[0]";
    let found = faults_of_model(&format!("deployments: [{both}]"));
    assert_eq!((found.len(), found[0].path.as_str()), (1, path));
    assert!(found[0].message.contains("has both `endpoint` and `engine`"));
    let found = faults_of_model("deployments: [{}]");
    assert_eq!((found.len(), found[0].path.as_str()), (1, path));
    assert!(found[0].message.contains("has neither `endpoint` nor `engine`"));
}

#[test]
fn ids_have_a_syntax_and_are_unique_over_the_document() {
    let with_ids = |a: &str, b: &str| {
        let model = |name: &str, id: &str| {
            format!("{{ name: {name}, type: chat, deployments: [{{ id: '{id}', endpoint: {{ url: 'http://h' }} }}] }}")
        };
        faults(&format!("version: 1\nmodels: [{}, {}]", model("a", a), model("b", b)))
    };
    assert_eq!(with_ids("a-1", "a-2"), []);
    only(
        &with_ids("a-1", "a-1"),
        "models[1].deployments[0].id",
        "id is `a-1`, which stands at models[0].deployments[0].id too",
    );
    let long = "x".repeat(65);
    for wrong in ["", "A", "a_b", "é", &long] {
        only(&with_ids(wrong, "ok"), "models[0].deployments[0].id", "1 to 64 lower-case letters, digits and `-`");
    }
}

#[test]
fn addresses_of_endpoints() {
    for (url, words) in [
        ("''", "url is ``, not an address"),
        ("localhost:8000", "scheme `localhost`"),
        ("ftp://host/v1", "url has the scheme `ftp`; give `http` or `https`"),
        ("'http://'", "not an address (empty host)"),
        ("'http://host/v1?key=1'", "url holds a query"),
        ("'http://host/v1#top'", "url holds a fragment"),
        ("'http://user@host/v1'", "url holds a user or password"),
        ("' http://host'", "url holds white space"),
        ("os.environ/1A", "refers to the variable `1A`"),
    ] {
        let found = faults_of_endpoint(&format!("url: {url}"));
        let about_url: Vec<_> = found.into_iter().filter(|fault| !fault.message.contains("no host")).collect();
        only(&about_url, "models[0].deployments[0].endpoint.url", words);
    }
}

#[test]
fn no_message_repeats_what_may_be_a_secret() {
    for endpoint in [
        "url: 'http://user:hunter2@host/v1'",
        "url: 'http://user:hunter2@'",
        "url: 'ftp://host/v1?key=hunter2'",
        "url: 'http://[/?hunter2'",
        "url: 'http://h', credential: hunter2",
    ] {
        let found = faults_of_endpoint(endpoint);
        assert!(!found.is_empty() && !format!("{found:?}").contains("hunter2"), "{found:?}");
    }
    let found = faults_of_engine(r#"env: { A: "hunter2\0", B: os.environ/9 }"#);
    assert!(found.len() == 2 && !format!("{found:?}").contains("hunter2"), "{found:?}");
}

#[test]
fn secrets_have_no_place_in_commands_and_stand_nowhere_in_the_clear() {
    let path = |field: &str| format!("models[0].deployments[0].engine.{field}");
    let words = "every user of the machine can read the words of a command; put it into `env`";
    only(&faults_of_engine("args: [--api-key, os.environ/KEY]"), &path("args[1]"), words);
    let found = faults_of_model(
        "deployments: [{ engine: { source: s, runtime: process, command: [x, '{port}', os.environ/KEY] } }]",
    );
    only(&found, &path("command[2]"), words);
    for name in ["HF_TOKEN", "VLLM_API_KEY", "db_password", "A_SECRET"] {
        let found = faults_of_engine(&format!("env: {{ {name}: hunter2 }}"));
        only(&found, &path(&format!("env.{name}")), "write `os.environ/NAME`");
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        assert_eq!(faults_of_engine(&format!("env: {{ {name}: os.environ/MINE }}")), []);
        assert_eq!(faults_of_engine(&format!("env: {{ {name}: '' }}")), [], "nothing is no secret");
    }
    assert_eq!(faults_of_engine("env: { TOKENIZERS_PARALLELISM: 'false' }"), []);
}

#[test]
fn literal_secrets_in_an_engine_are_refused_and_not_repeated() {
    let path = |field: &str| format!("models[0].deployments[0].engine.{field}");
    for (rest, at, words) in [
        ("args: [--api-key, hunter2]", "args[1]", "put it into `env` as `os.environ/NAME`"),
        ("args: ['--hf-token=hunter2']", "args[0]", "put it into `env`"),
        ("args: [x, sk-hunter2]", "args[1]", "put it into `env`"),
        ("env: { DATABASE_URL: 'postgres://u:hunter2@h/d' }", "env.DATABASE_URL", "write `os.environ/NAME`"),
        ("env: { AUTHORIZATION: 'Bearer hunter2' }", "env.AUTHORIZATION", "write `os.environ/NAME`"),
        ("env: { MYVAR: sk-hunter2 }", "env.MYVAR", "write `os.environ/NAME`"),
        ("env: { PASSPHRASE: hunter2 }", "env.PASSPHRASE", "write `os.environ/NAME`"),
    ] {
        let found = faults_of_engine(rest);
        only(&found, &path(at), words);
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    }
    let found = faults_of_model(
        "deployments: [{ engine: { source: s, runtime: process, command: [x, '{port}', --api-key], args: [hunter2] } }]",
    );
    only(&found, &path("args[0]"), "is or may be a secret");
    let found = faults_of_model(
        "deployments: [{ engine: { source: s, runtime: process, command: [sh, -c, 'x --port {port} --token hunter2'] } }]",
    );
    only(&found, &path("command[2]"), "is or may be a secret");
    let good = "args: [--tokenizer, org/x, --max-num-batched-tokens, '8192', --tool-call-parser, hermes, --key, '{name}'], \
                env: { GOOGLE_APPLICATION_CREDENTIALS: /etc/account.json, DATABASE_URL: 'postgres://h/d' }";
    assert_eq!(faults_of_engine(good), []);
}

#[test]
fn literal_secrets_for_litellm_are_refused_and_not_repeated() {
    let found = |litellm: &str| faults(&format!("version: 1\npassthrough: {{ litellm: {{ {litellm} }} }}"));
    for (litellm, at) in [
        ("general_settings: { pass: hunter2 }", "general_settings.pass"),
        ("general_settings: { token_x: hunter2 }", "general_settings.token_x"),
        ("general_settings: { slack: 'https://hooks.slack.com/services/T/B/hunter2' }", "general_settings.slack"),
        ("general_settings: { alerting_webhook: hunter2 }", "general_settings.alerting_webhook"),
        ("general_settings: { headers: { Cookie: session=hunter2 } }", "general_settings.headers.Cookie"),
        ("general_settings: { headers: { X-Any: hunter2 } }", "general_settings.headers.X-Any"),
        ("litellm_settings: { extra_headers: { a: [{ b: hunter2 }] } }", "litellm_settings.extra_headers.a[0].b"),
        ("environment_variables: { FOO: hunter2 }", "environment_variables.FOO"),
    ] {
        let found = found(litellm);
        only(&found, &format!("passthrough.litellm.{at}"), "write `os.environ/NAME`");
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    }
    let good = "environment_variables: { FOO: os.environ/FOO }, \
                general_settings: { custom_auth: custom_auth.user, pass_through_endpoints: [{ path: /x, target: 'https://h', \
                headers: { Authorization: 'bearer os.environ/K', content-type: application/json } }] }, \
                mcp_servers: { a: { auth_type: api_key, extra_headers: [X-Mine], url: 'https://h' } }";
    assert_eq!(found(good), []);
}

#[test]
fn the_rest_of_an_endpoint() {
    let path = |field: &str| format!("models[0].deployments[0].endpoint.{field}");
    let found = |rest: &str| faults_of_endpoint(&format!("url: 'http://h', {rest}"));
    only(&found("weight: 1001"), &path("weight"), "weight is 1001; give 0 to 1000");
    only(&found("model: ''"), &path("model"), "model is empty");
    only(&found("credential: my-openai"), &path("credential"), "there is no credential of this name");
    only(&found("credential: os.environ/"), &path("credential"), "refers to the variable ``");
    only(&found("credential: os.environ/A-B"), &path("credential"), "letters, digits and `_`");
}

#[test]
fn replicas_and_gpus() {
    let path = |field: &str| format!("models[0].deployments[0].engine.{field}");
    only(&faults_of_engine("replicas: 0"), &path("replicas"), "replicas is 0; give 1 to 8");
    only(&faults_of_engine("replicas: 9"), &path("replicas"), "replicas is 9; give 1 to 8");
    let found = faults_of_engine("replicas: 2, gpus: [0, 1, 2]");
    only(&found, &path("gpus"), "gpus names 3, which is not divisible by replicas (2)");
    only(&faults_of_engine("gpus: [0, 0]"), &path("gpus[1]"), "gpus names `0` twice");
    only(&faults_of_engine("gpus: [all, 1]"), &path("gpus"), "`all` beside others");
    only(&faults_of_engine("gpus: ['a b']"), &path("gpus[0]"), "gpus holds `a b`");
}

#[test]
fn the_command_of_a_process_engine() {
    let path = |field: &str| format!("models[0].deployments[0].engine.{field}");
    let found = |command: &str| {
        faults_of_model(&format!("deployments: [{{ engine: {{ source: s, runtime: process, {command} }} }}]"))
    };
    only(&found("env: {}"), &path("command"), "command is empty");
    only(&found("command: [vllm, serve]"), &path("command"), "command holds neither `{port}` nor `{socket}`");
    only(&found("command: ['', '{port}']"), &path("command[0]"), "command begins with an empty word");
    only(&found(r#"command: [x, "{socket}\0"]"#), &path("command[1]"), "NUL");
    let unknown = "holds the placeholder `{prot}`; there are `{source}`, `{name}`, `{port}`, `{socket}`";
    only(&found("command: [x, '{socket}', '--p={prot}']"), &path("command[2]"), unknown);
    only(&found("command: [x, '{socket}'], args: ['{prot}']"), &path("args[0]"), unknown);
    assert_eq!(found(r#"command: [x], args: ['{port}', '{"a": {}}']"#), []);
}

/// Of an engine in a container that is right but for `rest`.
fn faults_of_container(rest: &str) -> Vec<Fault> {
    faults_of_model(&format!("deployments: [{{ engine: {{ source: Org/M, {rest} }} }}]"))
}

#[test]
fn a_container_keeps_what_enginehouse_needs() {
    let path = |field: &str| format!("models[0].deployments[0].engine.{field}");
    assert_eq!(faults_of_container("gpus: [0], args: [--max-num-seqs, '64', '{\"a\": 1}']"), []);
    assert_eq!(faults_of_container("command: [llama-server, --port, '{port}'], args: ['a;b']"), []);
    for taken in ["--port", "--host=0.0.0.0", "--api-key", "--api_key=x", "--por", "--served-model-name"] {
        only(
            &faults_of_container(&format!("args: ['{taken}']")),
            &path("args[0]"),
            "for Enginehouse itself; leave it out",
        );
    }
    for shell in ["a;b", "$(reboot)", "`x`", "a|b", "a>b", "a&"] {
        only(&faults_of_container(&format!("args: [--x, '{shell}']")), &path("args[1]"), "no shell reads them");
    }
    only(&faults_of_container("args: [os.environ/TOKEN]"), &path("args[0]"), "put it into `env`");
    for reserved in ["CUDA_VISIBLE_DEVICES", "HF_HOME", "ENGINEHOUSE_X"] {
        let found = faults_of_container(&format!("env: {{ {reserved}: x }}"));
        only(&found, &path(&format!("env.{reserved}")), "which Enginehouse sets itself");
    }
    only(&faults_of_container("env: { A: \"x\\ny\" }"), &path("env.A"), "holds a line break");
    only(&faults_of_container("image: 'a b'"), &path("image"), "give the name of an image with its tag");
    only(&faults_of_container("image: '-x'"), &path("image"), "give the name of an image with its tag");
    only(&faults_of_container("host_port: 0"), &path("host_port"), "give 1 to 65535");
    only(&faults_of_container("host_port: 65535, replicas: 2"), &path("host_port"), "up to 65536; give 1 to 65535");
    only(
        &faults_of_container("command: [x, --uds, '{socket}']"),
        &path("command"),
        "a container is reached by `{port}`",
    );
    only(&faults_of_container("args: ['{socket}']"), &path("args"), "a container is reached by its port");
    only(&faults_of_container("gpu_memory_utilization: 1.5"), &path("gpu_memory_utilization"), "above 0, up to 1");
    only(&faults_of_container("tensor_parallel_size: 0"), &path("tensor_parallel_size"), "give 1 to 64");
    only(&faults_of_engine("image: x:1"), &path("image"), "image is for `runtime: docker`");
}

#[test]
fn a_port_of_the_machine_leads_to_one_replica() {
    let engine = |port: u16| format!("{{ engine: {{ source: s, host_port: {port}, replicas: 2 }} }}");
    let two = |port| faults_of_model(&format!("deployments: [{}, {}]", engine(9000), engine(port)));
    assert_eq!(two(9002), []);
    let expected = "host_port 9001 is that of models[0].deployments[0] too";
    only(&two(9001), "models[0].deployments[1].engine.host_port", expected);
}

#[test]
fn defaults_are_checked_like_engines() {
    let found = |defaults: &str| faults(&format!("version: 1\ndefaults: {{ {defaults} }}"));
    assert_eq!(
        found("env: { A: b }, types: { chat: { image: 'x:1', args: [--y] } }, containers: { cache: /srv/hf }"),
        []
    );
    only(&found("args: [--port]"), "defaults.args[0]", "for Enginehouse itself; leave it out");
    only(&found("types: { rerank: { image: 'x y' } }"), "defaults.types.rerank.image", "the name of an image");
    only(&found("types: { rerank: { env: { HF_HOME: x } } }"), "defaults.types.rerank.env.HF_HOME", "sets itself");
    only(&found("images: { vllm-omni: '' }"), "defaults.images.vllm-omni", "the name of an image");
    let share = "unified_memory: { gpu_memory_utilization: 1.5 }";
    only(&found(share), "defaults.unified_memory.gpu_memory_utilization", "is 1.5; give a share above 0, up to 1");
    only(&found("unified_memory: { args: [--port] }"), "defaults.unified_memory.args[0]", "itself; leave it out");
    only(&found("containers: { network: host }"), "defaults.containers.network", "a network of its own");
    only(
        &found("containers: { cache: ./here }"),
        "defaults.containers.cache",
        "an absolute path or the name of a volume",
    );
    only(&found("containers: { shm_bytes: 1 }"), "defaults.containers.shm_bytes", "shm_bytes is 1; give 67108864");
    let error = parse("version: 1\ndefaults: { types: { poetry: {} } }", Format::Yaml).unwrap_err().to_string();
    assert!(error.contains("poetry"), "{error}");
}

#[test]
fn the_rest_of_an_engine() {
    let path = |field: &str| format!("models[0].deployments[0].engine.{field}");
    only(&faults_of_engine("revision: ''"), &path("revision"), "revision is empty");
    only(&faults_of_engine("quantization: \"a\\tb\""), &path("quantization"), "control characters");
    only(&faults_of_engine("env: { 'A-B': x }"), &path("env"), "env has the name `A-B`");
    only(&faults_of_engine("env: { A: os.environ/9X }"), &path("env.A"), "refers to the variable `9X`");
    only(&faults_of_engine("max_model_len: 0"), &path("max_model_len"), "max_model_len is 0");
    only(&faults_of_engine("start_timeout: 0"), &path("start_timeout"), "give 1 to 86400 seconds");
    only(&faults_of_engine("start_timeout: 86401"), &path("start_timeout"), "give 1 to 86400 seconds");
}

#[test]
fn prices_are_numbers_from_0_to_a_million() {
    for field in ["input", "cached_input", "output", "image", "audio_second", "character", "search", "request"] {
        for wrong in ["-0.01", "1000000.5", ".nan", ".inf"] {
            let found = faults_of_model(&format!("price: {{ {field}: {wrong} }}"));
            only(&found, &format!("models[0].price.{field}"), "give a number from 0 to 1000000");
        }
        assert_eq!(faults_of_model(&format!("price: {{ {field}: 1000000 }}")), []);
    }
}

#[test]
fn routing_is_bounded() {
    let found = |routing: &str| faults(&format!("version: 1\nrouting: {{ {routing} }}"));
    only(&found("retries: 8"), "routing.retries", "retries is 8; give 0 to 7");
    only(&found("cooldown_seconds: -1"), "routing.cooldown_seconds", "cooldown_seconds is -1");
    for field in ["connect", "first_byte", "between_bytes", "total"] {
        for wrong in ["0", "-1", "86401", ".nan", ".inf"] {
            let path = format!("routing.timeouts.{field}");
            only(&found(&format!("timeouts: {{ {field}: {wrong} }}")), &path, "above 0 and up to 86400");
        }
    }
    assert_eq!(found("retries: 0, cooldown_seconds: 0, timeouts: { total: 86400 }"), []);
}

#[test]
fn the_report_is_bounded() {
    let deployments = "{},".repeat(bounds::REPORTED + 1);
    assert_eq!(faults_of_model(&format!("deployments: [{deployments}]")).len(), bounds::REPORTED);
}

proptest! {
    #[test]
    fn every_fault_says_where_and_what(document in documents()) {
        if let Err(faults) = validate(&document) {
            prop_assert!(!faults.as_slice().is_empty());
            prop_assert!(faults.as_slice().iter().all(|fault| !fault.path.is_empty() && !fault.message.is_empty()));
            prop_assert!(!faults.to_string().chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}

#[test]
fn limits_that_cannot_be_held_are_faults() {
    assert_eq!(faults_of_model("limits: { rpm: 1, tpm: 0, max_parallel: 3, max_budget: 0, budget_period: 1mo }"), []);
    assert_eq!(faults("version: 1\nlimits: { max_budget: 2.5 }"), []);
    only(&faults_of_model("limits: { max_budget: -1 }"), "models[0].limits.max_budget", "from 0");
    only(&faults_of_model("limits: { max_budget: 1e-10 }"), "models[0].limits.max_budget", "smallest amount");
    only(&faults("version: 1\nlimits: { budget_period: 1d }"), "limits.budget_period", "no max_budget");
    let error = parse("version: 1\nlimits: { max_budget: 1, budget_period: 1y }", Format::Yaml).unwrap_err();
    assert!(error.to_string().contains("is no period"), "{error}");
}
