use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use serde_json::{Value, json};
use spec::{Gpu, ModelType};
use tempfile::TempDir;

use super::*;

fn directory(config: &Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

fn imported(config: Value) -> Imported {
    let Value::Object(config) = config else { panic!("an object") };
    convert(&Source { config, mig: None })
}

/// What is said of a subject: field, verdict, note.
fn said<'i>(imported: &'i Imported, subject: &str) -> Vec<(&'i str, Verdict, &'i str)> {
    let of = imported.report.iter().filter(|finding| finding.subject == subject);
    of.map(|finding| (finding.field.as_str(), finding.verdict, finding.note.as_str())).collect()
}

/// What a research group has: see the documentation's use cases.
fn group() -> Value {
    json!({
        "gpus": [{"index": 0, "name": "NVIDIA H100", "vram_gb": 80}],
        "master_key": "sk-master-0123456789",
        "models": {
            "qwen": {
                "hf_id": "Qwen/Qwen3-32B", "type": "chat", "gpus": [0, 1, 2, 3], "replicas": 2, "quantization": "fp8",
                "max_model_len": 32768, "extra_args": "--enable-prefix-caching --max-num-seqs 64",
                "env": {"VLLM_LOGGING_LEVEL": "WARNING", "HF_TOKEN": "hf_secret_value", "OTHER_API_KEY": "other_secret_value"},
                "open_access": true, "status": "running",
            },
            "e5": {"hf_id": "intfloat/e5-small", "type": "embedding", "mig": ["MIG-9f2c"], "quantization": "auto"},
            "whisper": {
                "hf_id": "openai/whisper-large-v3", "type": "stt", "gpus": [4], "open_access": true, "status": "stopped",
                "image": "llm-manager/whisper:1", "speculative_decoding": {"draft": "x"},
            },
        },
        "direct_route_keys": [
            {"name": "scanner", "key": "sk-scanner-0123456789"}, {"name": "old", "key": "plain"}, "sk-unnamed-0123456789",
        ],
        "https": {"domain": "llm.example.org"},
        "open_access_enabled": false,
        "postgres_password": "pg_secret_value",
        "something_new": 1,
    })
}

#[test]
fn a_group_is_taken_over() {
    let imported = imported(group());
    assert_eq!(imported.models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["qwen", "e5", "whisper"]);
    let [qwen, e5, whisper] = &imported.models[..] else { unreachable!() };
    let engine = qwen.deployments[0].engine.as_ref().unwrap();
    assert_eq!((qwen.model_type, qwen.open_access, engine.source.as_str()), (ModelType::Chat, true, "Qwen/Qwen3-32B"));
    assert_eq!((engine.gpus.len(), engine.replicas, engine.max_model_len), (4, 2, Some(32_768)));
    assert_eq!(engine.args, ["--enable-prefix-caching", "--max-num-seqs", "64"]);
    let command = engine.command.join(" ");
    assert!(
        command.starts_with("vllm serve {source} --host 127.0.0.1 --port {port} --served-model-name {name}"),
        "{command}"
    );
    assert!(command.ends_with("--tensor-parallel-size 2 --quantization fp8 --max-model-len 32768"), "{command}");
    assert_eq!(engine.env["OTHER_API_KEY"], "os.environ/OTHER_API_KEY");
    assert_eq!(engine.env.len(), 2);
    let engine = e5.deployments[0].engine.as_ref().unwrap();
    assert_eq!((e5.model_type, &engine.gpus[..]), (ModelType::Embedding, &[Gpu::Name("MIG-9f2c".into())][..]));
    assert_eq!((&engine.quantization, engine.replicas), (&None, 1));
    assert!(engine.command.join(" ").contains("--runner pooling"));
    assert_eq!((whisper.model_type, whisper.open_access), (ModelType::SpeechToText, false));
    let keys: Vec<_> = imported.keys.iter().map(|key| (key.alias.as_str(), key.is_direct)).collect();
    assert_eq!(keys, [("scanner", true), ("imported-3", true)]);
}

#[test]
fn the_report_leaves_nothing_out_and_tells_no_secret() {
    let imported = imported(group());
    let whisper = said(&imported, "model whisper");
    for field in ["status", "open_access", "image", "speculative_decoding"] {
        assert!(
            whisper.iter().any(|(of, verdict, _)| *of == field && *verdict != Verdict::Taken),
            "{field}: {whisper:?}"
        );
    }
    let subjects = ["master key", "direct-route key old", "virtual keys", "https", "postgresql", "gpus", "open access"];
    for subject in subjects {
        assert_eq!(said(&imported, subject)[0].1, Verdict::LeftOut, "{subject}");
    }
    assert_eq!(said(&imported, "config.json"), [("something_new", Verdict::LeftOut, "this field is not known")]);
    assert_eq!(said(&imported, "direct-route key scanner")[0].1, Verdict::Taken);
    let text = format!("{:?}", imported.report);
    for secret in ["sk-master", "sk-scanner", "sk-unnamed", "hf_secret_value", "other_secret_value", "pg_secret_value"]
    {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(!format!("{:?}", imported.keys).contains("sk-"));
}

#[test]
fn a_list_of_models_and_other_names_of_fields_do_too() {
    let imported = imported(json!({"models": [
        {"model_name": "a", "huggingface_id": "x/y", "model_type": "TTS", "gpu_ids": "0,1", "vllm_args": ["--seed", 1],
         "environment": ["A=b", "C = d"], "context_length": "4096", "num_replicas": "2"},
        {"name": "b", "model": "x/z", "args": {"max_num_seqs": 4, "enforce_eager": true, "off": false}, "mig": "0:3"},
    ]}));
    let engine = |at: usize| imported.models[at].deployments[0].engine.clone().unwrap();
    let a = engine(0);
    assert_eq!((a.gpus, a.replicas, a.max_model_len), (vec![Gpu::Index(0), Gpu::Index(1)], 2, Some(4_096)));
    assert_eq!((a.args, a.env.len()), (vec!["--seed".to_owned(), "1".to_owned()], 2));
    assert_eq!(engine(1).args, ["--max-num-seqs", "4", "--enforce-eager"]);
    assert_eq!(imported.models[1].model_type, ModelType::Chat);
    let b = said(&imported, "model b");
    assert!(
        b.iter().any(|(field, verdict, note)| *field == "mig"
            && *verdict == Verdict::LeftOut
            && note.contains("nvidia-smi"))
    );
}

#[test]
fn a_model_that_does_not_fit_is_left_out_with_its_reason() {
    let imported = imported(json!({"models": {
        "open": {"hf_id": "x/y"}, "odd": {"hf_id": "x/y", "gpus": [0, 1, 2], "replicas": 2}, "none": {"type": "chat"},
        "what": {"hf_id": "x/y", "type": "quantum"}, "no": 5, "good": {"hf_id": "x/y"},
    }}));
    assert_eq!(imported.models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["good"]);
    let words =
        [("open", "reserved"), ("odd", "not divisible by replicas"), ("none", "Hugging Face"), ("what", "`quantum`")];
    for (name, words) in words {
        let findings = said(&imported, &format!("model {name}"));
        assert!(matches!(findings[..], [("", Verdict::LeftOut, note)] if note.contains(words)), "{findings:?}");
    }
    assert_eq!(said(&imported, "model no")[0].1, Verdict::LeftOut);
}

#[test]
fn secrets_in_arguments_and_variables_are_not_taken_over() {
    let imported = imported(json!({"models": {"m": {
        "hf_id": "x/y", "extra_args": "--seed 1 --api-key hunter2 --hf-token=hunter2 --tokenizer x/t",
        "env": {"DATABASE_URL": "postgres://u:hunter2@h/d", "PASSPHRASE": "hunter2", "MINE": "sk-hunter2", "MODE": "fast"},
    }}}));
    let engine = imported.models[0].deployments[0].engine.clone().unwrap();
    assert_eq!(engine.args, ["--seed", "1", "--tokenizer", "x/t"]);
    for name in ["DATABASE_URL", "PASSPHRASE", "MINE"] {
        assert_eq!(engine.env[name], format!("os.environ/{name}"));
        let place = format!("env.{name}");
        assert!(
            said(&imported, "model m")
                .iter()
                .any(|(field, verdict, _)| *field == place && *verdict == Verdict::Changed)
        );
    }
    assert_eq!(engine.env["MODE"], "fast");
    let left_out = said(&imported, "model m").into_iter().filter(|(field, ..)| *field == "args").collect::<Vec<_>>();
    assert!(
        matches!(left_out[..], [("args", Verdict::LeftOut, first), (_, Verdict::LeftOut, second)]
        if first.starts_with("`--api-key` holds a secret") && second.starts_with("argument 5 holds")),
        "{left_out:?}"
    );
    assert!(!format!("{:?}{:?}", imported.models, imported.report).contains("hunter2"));
}

#[test]
fn a_field_that_may_be_the_kill_switch_is_told_loudly() {
    let with = |open: bool| {
        imported(
            json!({"models": {"m": {"hf_id": "x/y", "open_access": open}}, "open_access_disabled": true, "other": 1}),
        )
    };
    let open = with(true);
    let findings = said(&open, "open access");
    assert!(
        matches!(findings[..], [("open_access_disabled", Verdict::LeftOut, note)]
        if note.contains("STAGED OPEN") && note.contains("`m`") && note.contains("enginehouse open off")),
        "{findings:?}"
    );
    assert_eq!(said(&open, "config.json").len(), 1);
    assert_eq!(said(&with(false), "config.json").len(), 2, "nothing is open, so nothing is loud");
}

#[test]
fn a_key_that_is_there_twice_counts_once() {
    let imported = imported(json!({"direct_route_keys": [
        {"name": "a", "key": "sk-scanner-0123456789"}, {"name": "b", "key": "sk-scanner-0123456789"},
        {"name": "a", "key": "sk-another-0123456789"},
    ]}));
    assert_eq!(imported.keys.len(), 1);
    assert_eq!(said(&imported, "direct-route key b")[0].1, Verdict::LeftOut);
}

#[test]
fn what_mig_there_was_is_told() {
    let folder = directory(&json!({"models": []}));
    let layout = json!({"gpus": {"0": ["3g.40gb", "3g.40gb"], "1": [{"profile": "7g.80gb", "uuid": "MIG-1"}]}});
    fs::write(folder.path().join("mig_config.json"), layout.to_string()).unwrap();
    let imported = convert(&read(folder.path()).unwrap());
    assert!(said(&imported, "mig gpus 0")[0].2.starts_with("3g.40gb, 3g.40gb; "), "{:?}", imported.report);
    assert_eq!(said(&imported, "mig gpus 1")[0].1, Verdict::LeftOut);
}

#[test]
fn hostile_directories_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let refused = |words: &str| {
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refused("cannot read");
    for (text, words) in [
        ("{\"master_key\": \"sk-secret\",", "line 1"),
        ("[]", "no object"),
        ("", "not JSON"),
        ("\u{feff}{}", "not JSON"),
    ] {
        fs::write(&path, text).unwrap();
        refused(words);
        assert!(!read(folder.path()).unwrap_err().to_string().contains("sk-secret"));
    }
    let deep = "[".repeat(100_000);
    fs::write(&path, format!("{{\"models\": {deep}")).unwrap();
    refused("not JSON");
    fs::File::create(&path).unwrap().set_len(17 << 20).unwrap();
    refused("bytes, more than");
    fs::remove_file(&path).unwrap();
    symlink("/etc/hostname", &path).unwrap();
    refused("no plain file");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused("no plain file");
    assert!(read(std::path::Path::new("/nowhere")).is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let words = ["models", "name", "type", "hf_id", "gpus", "mig", "env", "args", "direct_route_keys", "key", "x"];
        let name = prop_oneof![proptest::sample::select(words.to_vec()).prop_map(str::to_owned), "[a-z/]{0,4}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever is in the file: nothing breaks, and what comes out is valid.
    #[test]
    fn anything_can_be_in_it(value in any_json()) {
        let source = Source { config: json!({"models": value.clone(), "direct_route_keys": value.clone(), "y": 1}).as_object().unwrap().clone(), mig: Some(value) };
        let imported = convert(&source);
        let document = spec::Document { models: imported.models, ..spec::Document::default() };
        prop_assert_eq!(spec::validate(&document), Ok(()));
    }
}
