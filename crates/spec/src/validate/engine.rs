use std::collections::BTreeSet;

use super::{command, container, environment, parallel, template};
use crate::{Engine, Gpu, Runtime, fault::Scope, limits, quote::Quoted};

pub(super) fn check(here: &mut Scope<'_>, engine: &Engine) {
    check_source(here, engine);
    check_runtime(here, engine);
    check_gpus(here, engine);
    template::check(here, engine);
    for (name, value) in &engine.env {
        environment::check_entry(&mut here.field("env"), name, value);
    }
    if engine.max_model_len == Some(0) {
        here.field("max_model_len").fault("max_model_len is 0; give the tokens of prompt and answer together");
    }
    if engine.max_num_batched_tokens == Some(0) {
        here.field("max_num_batched_tokens").fault("max_num_batched_tokens is 0; give the tokens of one step");
    }
    parallel::check(here, engine);
    if let Some(share) = engine.gpu_memory_utilization
        && !(share > 0.0 && share <= 1.0)
    {
        let message = format!("gpu_memory_utilization is {share}; give a share above 0, up to 1");
        here.field("gpu_memory_utilization").fault(message);
    }
    if let Some(seconds) = engine.start_timeout
        && !(1..=limits::SECONDS).contains(&seconds)
    {
        here.field("start_timeout").fault(format!("start_timeout is {seconds}; give 1 to {} seconds", limits::SECONDS));
    }
}

fn check_source(here: &mut Scope<'_>, engine: &Engine) {
    let texts = [
        ("source", Some(&engine.source)),
        ("revision", engine.revision.as_ref()),
        ("quantization", engine.quantization.as_ref()),
        ("kv_cache_dtype", engine.kv_cache_dtype.as_ref()),
        ("tool_call_parser", engine.tool_call_parser.as_ref()),
        ("reasoning_parser", engine.reasoning_parser.as_ref()),
    ];
    for (field, text) in texts {
        let (mut here, Some(text)) = (here.field(field), text) else { continue };
        if text.is_empty() {
            here.fault(format!("{field} is empty"));
        }
        if text.chars().any(char::is_control) {
            here.fault(format!("{field} is {}; it must not hold control characters", Quoted(text)));
        }
        if text.starts_with('-') {
            here.fault(format!("{field} is {}; with `-` in front it would be taken for an option", Quoted(text)));
        }
        let is_word = !matches!(field, "source" | "revision") && !text.chars().any(char::is_control);
        if is_word && engine.runtime == Runtime::Docker {
            container::check_no_shell(&mut here, field, text);
        }
        if field == "revision" && text.split('/').any(|part| part == "..") {
            here.fault(format!("revision is {}; give a branch, a tag or a commit", Quoted(text)));
        }
        environment::check(&mut here, field, text);
    }
    // What another program takes for a source, it knows itself.
    let is_vllm = engine.runtime == Runtime::Docker && engine.command.is_empty();
    let source = &engine.source;
    let is_folder = ["/", "./", "../"].iter().any(|start| source.starts_with(start));
    let is_elsewhere = is_folder || crate::environment_variable(source).is_some();
    if is_vllm && !source.is_empty() && !source.starts_with('-') && !is_elsewhere && !is_repository(source) {
        here.field("source").fault(format!(
            "source is {}; give the id of a model at the Hugging Face Hub, as `Qwen/Qwen3-8B`, or a folder with `/` or `./` in front",
            Quoted(source)
        ));
    }
}

/// Whether the Hub could have a model of this name: one or two parts, without what its own client refuses.
fn is_repository(text: &str) -> bool {
    let fits = |part: &str| {
        let inner = part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        inner && !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with(['.', '-'])
    };
    let has_any = |words: [&str; 2]| words.iter().any(|word| text.contains(word));
    text.len() <= limits::SOURCE_CHARS
        && (1..=2).contains(&text.split('/').count())
        && text.split('/').all(fits)
        && !has_any(["..", "--"])
}

fn check_runtime(here: &mut Scope<'_>, engine: &Engine) {
    match engine.runtime {
        Runtime::Docker => container::check(here, engine),
        Runtime::Process => {
            command::check(here, &engine.command, &engine.args);
            check_contained(here, engine);
        }
    }
}

/// What means nothing without a container.
fn check_contained(here: &mut Scope<'_>, engine: &Engine) {
    let fields = [
        ("image", engine.image.is_some()),
        ("recipe", engine.recipe.is_some()),
        ("host_port", engine.host_port.is_some()),
        ("cpus", engine.cpus.is_some()),
        ("memory_bytes", engine.memory_bytes.is_some()),
    ];
    for (field, is_set) in fields {
        if is_set {
            here.field(field).fault(format!("{field} is for `runtime: docker`; leave it out of a local process"));
        }
    }
}

fn check_gpus(here: &mut Scope<'_>, engine: &Engine) {
    let Engine { replicas, gpus, .. } = engine;
    if !limits::REPLICAS.contains(replicas) {
        let (least, most) = (limits::REPLICAS.start(), limits::REPLICAS.end());
        here.field("replicas").fault(format!("replicas is {replicas}; give {least} to {most}"));
    }
    let all = |gpu: &Gpu| matches!(gpu, Gpu::Name(name) if name == "all");
    let mut here = here.field("gpus");
    if gpus.iter().any(all) {
        if gpus.len() > 1 {
            here.fault("gpus names `all` beside others; name either `all` or each one");
        }
        // How many `all` are is known on the machine only.
        return;
    }
    if *replicas > 0 && !(gpus.len() as u64).is_multiple_of(u64::from(*replicas)) {
        let count = gpus.len();
        let each = (count as u64 / u64::from(*replicas)).max(1);
        let fewer = each * u64::from(*replicas);
        let more = fewer + u64::from(*replicas) * u64::from(fewer < count as u64);
        let fit = if fewer < count as u64 { format!("{fewer} or {more}") } else { fewer.to_string() };
        let replicas_that_fit = if count == 1 { "1".to_owned() } else { format!("1 or {count}") };
        here.fault(format!(
            "gpus names {count}, which is not divisible by replicas ({replicas}); name {fit}, or set replicas to {replicas_that_fit}"
        ));
    }
    let mut seen = BTreeSet::new();
    for (index, gpu) in gpus.iter().enumerate() {
        let mut here = here.element(index);
        let name = gpu.to_string();
        if name.is_empty() || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            here.fault(format!("gpus holds {}; give an index, a UUID, `all` or the name of a slice", Quoted(&name)));
        }
        if !seen.insert(gpu) {
            here.fault(format!("gpus names {} twice; a replica gets each GPU once", Quoted(&name)));
        }
    }
}
