use std::collections::BTreeMap;

use serde_json::Value;
use spec::{Engine, Gpu, ModelType, Runtime};

use super::fields::{Fields, as_text, words};
use crate::{Finding, Verdict};

/// How an engine is told what it serves, and where.
const COMMAND: [&str; 9] =
    ["vllm", "serve", "{source}", "--host", "127.0.0.1", "--port", "{port}", "--served-model-name", "{name}"];

/// The engine of a model, or why there is none.
pub(super) fn convert(
    fields: &mut Fields<'_>,
    model_type: ModelType,
    subject: &str,
    findings: &mut Vec<Finding>,
) -> Result<Engine, String> {
    let mut note = |field: &str, verdict, note: &str| findings.push(Finding::new(subject, field, verdict, note));
    let source = fields.text(&[
        "hf_id",
        "hf_model",
        "hf_model_id",
        "huggingface_id",
        "model_id",
        "source",
        "model",
        "model_path",
    ]);
    let source = source.ok_or("it names no model on Hugging Face and no folder")?;
    let gpus = gpus(fields, &mut note);
    let replicas = fields.number(&["replicas", "num_replicas", "replica_count"]).unwrap_or(1);
    let replicas = u32::try_from(replicas).unwrap_or(u32::MAX);
    let quantization =
        fields.text(&["quantization", "quant"]).filter(|word| !["auto", "none"].contains(&word.as_str()));
    let max_model_len =
        fields.number(&["max_model_len", "max_context_length", "max_context", "context_length", "max_len"]);
    let max_model_len = max_model_len.and_then(|tokens| u32::try_from(tokens).ok()).filter(|tokens| *tokens > 0);
    let mut args = without_secrets(arguments(fields, &mut note), &mut note);
    if let Some(template) = fields.text(&["chat_template", "chat_template_path", "jinja_template"]) {
        if template.starts_with('/') {
            args.extend(["--chat-template".to_owned(), template]);
            note("chat_template", Verdict::Changed, "given to the engine as --chat-template");
        } else {
            note(
                "chat_template",
                Verdict::LeftOut,
                "write it to a file, and give its path with --chat-template in args",
            );
        }
    }
    if fields.take(&["image", "docker_image", "image_override", "custom_image"]).is_some() {
        note("image", Verdict::LeftOut, "engines run as processes in this version, without an image");
    }
    let env = environment(fields, &mut note);
    note(
        "engine",
        Verdict::Changed,
        "ran in a container there; runs as the process `vllm` here, which must be installed",
    );
    let mut engine = Engine {
        source,
        revision: fields.text(&["revision", "hf_revision"]),
        runtime: Runtime::Process,
        command: Vec::new(),
        gpus,
        replicas,
        quantization,
        max_model_len,
        image: None,
        recipe: None,
        chat_template: None,
        cpus: None,
        memory_bytes: None,
        host_port: None,
        kv_cache_dtype: None,
        tensor_parallel_size: None,
        gpu_memory_utilization: None,
        max_num_batched_tokens: None,
        tool_call_parser: None,
        reasoning_parser: None,
        trust_remote_code: false,
        args,
        env,
        start_timeout: None,
    };
    engine.command = command(&engine, model_type);
    Ok(engine)
}

/// What LLM-Manager told vLLM by itself, as words of a command.
fn command(engine: &Engine, model_type: ModelType) -> Vec<String> {
    let mut command: Vec<String> = COMMAND.map(str::to_owned).to_vec();
    command.extend(spec::defaults(model_type).args.iter().map(|&arg| arg.to_owned()));
    let mut add = |flag: &str, value: String| {
        let is_given = engine.args.iter().any(|arg| arg == flag || arg.starts_with(&format!("{flag}=")));
        if !is_given {
            command.extend([flag.to_owned(), value]);
        }
    };
    let of_one = engine.gpus.len() / engine.replicas.max(1) as usize;
    if of_one > 1 {
        add("--tensor-parallel-size", of_one.to_string());
    }
    if let Some(quantization) = &engine.quantization {
        add("--quantization", quantization.clone());
    }
    if let Some(tokens) = engine.max_model_len {
        add("--max-model-len", tokens.to_string());
    }
    command
}

/// GPUs and slices of MIG, by what they are called.
fn gpus(fields: &mut Fields<'_>, note: &mut impl FnMut(&str, Verdict, &str)) -> Vec<Gpu> {
    let whole =
        fields.take(&["gpus", "gpu_ids", "gpu_indices", "gpu", "gpu_id", "devices"]).map(words).unwrap_or_default();
    let slices = fields.take(&["mig", "mig_uuids", "mig_uuid", "mig_instances", "mig_devices", "mig_instance"]);
    let slices = slices.map(words).unwrap_or_default();
    let mut gpus: Vec<Gpu> = whole.iter().map(|word| gpu(word)).collect();
    for slice in &slices {
        if slice.starts_with("MIG-") {
            gpus.push(Gpu::Name(slice.clone()));
        } else {
            let text = format!(
                "`{slice}` is no UUID (MIG-...): name the slice by its UUID in gpus; `nvidia-smi -L` lists them"
            );
            note("mig", Verdict::LeftOut, &text);
        }
    }
    if gpus.iter().any(|gpu| matches!(gpu, Gpu::Name(name) if name.starts_with("MIG-"))) {
        note("mig", Verdict::Taken, "by UUID; the slice must be there when the engine starts (see mig)");
    }
    gpus
}

fn gpu(word: &str) -> Gpu {
    word.parse().map_or_else(|_| Gpu::Name(word.to_owned()), Gpu::Index)
}

/// More arguments, as a list or as they are typed.
fn arguments(fields: &mut Fields<'_>, note: &mut impl FnMut(&str, Verdict, &str)) -> Vec<String> {
    let found = fields.take(&["extra_args", "vllm_args", "additional_args", "args", "extra_vllm_args"]);
    match found {
        Some(Value::String(text)) => split(text).unwrap_or_else(|| {
            note("args", Verdict::LeftOut, "a quotation mark in it has no end; write it as a list");
            Vec::new()
        }),
        Some(Value::Array(list)) => list.iter().filter_map(as_text).collect(),
        Some(Value::Object(map)) => {
            note("args", Verdict::Changed, "a mapping there, flags here");
            map.iter().flat_map(|(name, value)| flag(name, value)).collect()
        }
        _ => Vec::new(),
    }
}

/// The arguments without those that hold a secret, and without the flags in front of these.
fn without_secrets(args: Vec<String>, note: &mut impl FnMut(&str, Verdict, &str)) -> Vec<String> {
    let mut left_out = spec::secret_words(&args);
    for index in left_out.clone() {
        let flag =
            index.checked_sub(1).filter(|before| !args[index].starts_with('-') && args[*before].starts_with('-'));
        left_out.extend(flag);
        let what = flag.map_or_else(|| format!("argument {}", index + 1), |flag| format!("`{}`", shown(&args[flag])));
        let text = format!(
            "{what} holds a secret and was left out: put it into env as os.environ/NAME, and let the engine read it there"
        );
        note("args", Verdict::LeftOut, &text);
    }
    let kept = args.into_iter().enumerate().filter(|(index, _)| !left_out.contains(index));
    kept.map(|(_, word)| word).collect()
}

/// What may be shown of a flag: nothing of a value behind it.
fn shown(flag: &str) -> &str {
    flag.split_once('=').map_or(flag, |(name, _)| name)
}

/// `max_num_seqs: 4` as `--max-num-seqs 4`.
fn flag(name: &str, value: &Value) -> Vec<String> {
    let flag = format!("--{}", name.trim_start_matches('-').replace('_', "-"));
    match value {
        Value::Bool(true) => vec![flag],
        Value::Bool(false) | Value::Null => Vec::new(),
        Value::String(text) => vec![flag, text.clone()],
        other => vec![flag, other.to_string()],
    }
}

/// Words as a shell splits them, with quotation marks and backslashes; none if a quotation has no end.
fn split(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote, mut is_word) = (Vec::new(), String::new(), None, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            // Between single quotation marks it stands for itself.
            (open, '\\') if open != Some('\'') => word.push(chars.next()?),
            (None, '\'' | '"') => (quote, is_word) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if is_word || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
            }
            (_, c) => word.push(c),
        }
    }
    if is_word || !word.is_empty() {
        words.push(word);
    }
    quote.is_none().then_some(words)
}

/// Variables; a secret stays a reference to the environment of the service.
fn environment(fields: &mut Fields<'_>, note: &mut impl FnMut(&str, Verdict, &str)) -> BTreeMap<String, String> {
    let found = fields.take(&["env", "environment", "env_vars", "extra_env", "environment_variables"]);
    let pairs: Vec<(String, String)> = match found {
        Some(Value::Object(map)) => {
            map.iter().filter_map(|(name, value)| Some((name.clone(), as_text(value)?))).collect()
        }
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).filter_map(pair).collect(),
        Some(Value::String(text)) => text.lines().filter_map(pair).collect(),
        _ => Vec::new(),
    };
    let mut env = BTreeMap::new();
    for (name, value) in pairs {
        let place = format!("env.{name}");
        if ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].contains(&name.as_str()) {
            note(&place, Verdict::LeftOut, "engines run from the cache and need no token");
        } else if spec::is_secret_entry(&name, &value) {
            let text = format!("its value is a secret and was not taken over: set {name} where Enginehouse is started");
            note(&place, Verdict::Changed, &text);
            env.insert(name.clone(), format!("os.environ/{name}"));
        } else {
            env.insert(name, value);
        }
    }
    env
}

fn pair(line: &str) -> Option<(String, String)> {
    let (name, value) = line.trim().split_once('=')?;
    Some((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        let split = |text| split(text).map(|words| words.join("|"));
        assert_eq!(split(r#"--a 1  --b="x y" '' --c 'it"s' d\ e"#).as_deref(), Some(r#"--a|1|--b=x y||--c|it"s|d e"#));
        assert_eq!(split("  ").as_deref(), Some(""));
        assert_eq!([split("'open"), split("\\")], [None, None]);
    }
}
