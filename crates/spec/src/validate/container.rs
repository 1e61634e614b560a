//! What only an engine in a container has.

use super::command;
use crate::{
    CONTAINER_PORT, Engine, fault::Scope, limits, placeholder::Placeholder, placeholder::holds, quote::Quoted,
};

/// Options of vLLM that Enginehouse gives itself, or that would take the engine out of its hands.
const OURS: [&str; 12] = [
    "--host",
    "--port",
    "--uds",
    "--api-key",
    "--served-model-name",
    "--model",
    "--root-path",
    "--config",
    "--revision",
    "--ssl-keyfile",
    "--ssl-certfile",
    "--headless",
];
/// vLLM takes abbreviations; shorter ones than this fit anything.
const SHORTEST: usize = 4;
/// What a shell would act upon. No shell is asked, so it can only be a mistake or an attempt.
const SHELL: [char; 10] = [';', '|', '&', '`', '$', '<', '>', '\n', '\r', '\0'];
/// Variables that Enginehouse sets itself in containers, or that would lock it out of the engine.
const VARIABLES: [&str; 4] = ["CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "VLLM_API_KEY", "HF_HOME"];
const PREFIX: &str = "ENGINEHOUSE_";

pub(super) fn check(here: &mut Scope<'_>, engine: &Engine) {
    if let Some(image) = &engine.image {
        check_image(&mut here.field("image"), "image", image);
    }
    if engine.image.is_some() && engine.recipe.is_some() {
        here.field("recipe").fault("recipe and image are both set; keep one: a recipe names its image as `base`");
    }
    check_port(here, engine);
    check_limits(here, engine);
    for name in engine.env.keys() {
        check_variable(&mut here.field("env").field(name), name);
    }
    if engine.command.is_empty() {
        check_args(here, &engine.args);
    } else {
        command::check_words(here, &engine.command, &engine.args);
    }
    if holds(&engine.command, Placeholder::Socket) {
        here.field("command").fault("command holds `{socket}`, but a container is reached by `{port}`");
    }
    if holds(&engine.args, Placeholder::Socket) {
        here.field("args").fault("args hold `{socket}`, but a container is reached by its port");
    }
}

/// The field `args` of what stands here: arguments for `vllm serve`.
pub(super) fn check_args(here: &mut Scope<'_>, args: &[String]) {
    // What is refused for its option needs no second fault for its value.
    let others = args.iter().map(|word| if taken_over(word).is_some() { String::new() } else { word.clone() });
    command::check_secrets(here, &[], &others.collect::<Vec<_>>());
    let mut here = here.field("args");
    for (index, word) in args.iter().enumerate() {
        let mut here = here.element(index);
        if let Some(option) = taken_over(word) {
            here.fault(format!("args hold {}, but `{option}` is for Enginehouse itself; leave it out", Quoted(word)));
        }
        check_no_shell(&mut here, "args", word);
        if crate::environment_variable(word).is_some() {
            here.fault("args refer to the environment, but whoever may use Docker can read them; put it into `env`");
        }
    }
}

/// What becomes an argument must not look as if a shell read it.
pub(super) fn check_no_shell(here: &mut Scope<'_>, field: &str, word: &str) {
    if let Some(found) = word.chars().find(|c| SHELL.contains(c)) {
        let hold = if field == "args" { "hold" } else { "holds" };
        here.fault(format!(
            "{field} {hold} {found:?} in {}; arguments go to the program as they are, no shell reads them: leave it out",
            Quoted(word)
        ));
    }
}

pub(super) fn check_variable(here: &mut Scope<'_>, name: &str) {
    if VARIABLES.contains(&name) || name.starts_with(PREFIX) {
        here.fault(format!(
            "env has the name {}, which Enginehouse sets itself in containers; leave it out",
            Quoted(name)
        ));
    }
}

pub(super) fn check_image(here: &mut Scope<'_>, field: &str, image: &str) {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    let begins_well = image.starts_with(|c: char| c.is_ascii_alphanumeric());
    if image.len() > limits::IMAGE_CHARS || !begins_well || !image.chars().all(fits) {
        here.fault(format!(
            "{field} is {}; give the name of an image with its tag, as `vllm/vllm-openai:v0.32.0`",
            Quoted(image)
        ));
    }
}

fn check_limits(here: &mut Scope<'_>, engine: &Engine) {
    if let Some(cpus) = engine.cpus.filter(|cpus| !limits::CPUS.contains(cpus)) {
        let (least, most) = limits::CPUS.into_inner();
        here.field("cpus").fault(format!("cpus is {cpus}; give {least} to {most}"));
    }
    if let Some(bytes) = engine.memory_bytes.filter(|bytes| !limits::MEMORY_BYTES.contains(bytes)) {
        let (least, most) = limits::MEMORY_BYTES.into_inner();
        here.field("memory_bytes").fault(format!("memory_bytes is {bytes}; give {least} to {most} bytes"));
    }
}

fn check_port(here: &mut Scope<'_>, engine: &Engine) {
    let Some(first) = engine.host_port else { return };
    let last = u32::from(first) + engine.replicas.saturating_sub(1);
    if first == 0 || last > u32::from(u16::MAX) {
        let replicas = engine.replicas;
        here.field("host_port").fault(format!(
            "host_port is {first}, for {replicas} replicas up to {last}; give 1 to 65535 (the engine itself listens on {CONTAINER_PORT} in its container)"
        ));
    }
}

/// The option of ours that a word would be taken for.
fn taken_over(word: &str) -> Option<&'static str> {
    let name = word.split_once('=').map_or(word, |(name, _)| name).replace('_', "-");
    if !name.starts_with("--") || name.len() < SHORTEST {
        return None;
    }
    OURS.into_iter().find(|option| option.starts_with(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_take_over_is_known_in_every_spelling() {
        for word in [
            "--port",
            "--port=1",
            "--por",
            "--api_key",
            "--api-key=x",
            "--host",
            "--served_model_name",
            "--ssl-keyfile=k",
            "--uds",
        ] {
            assert!(taken_over(word).is_some(), "{word}");
        }
        for word in ["--port-range", "--max-model-len", "-x", "--", "--model-impl", "8000", "--hf-overrides"] {
            assert_eq!(taken_over(word), None, "{word}");
        }
    }
}
