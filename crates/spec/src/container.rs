//! What runs in the container of an engine: image, arguments, environment. Pure; where it runs, the runtime knows.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{BuildPlan, Defaults, Document, Engine, Image, Model, ModelType, Spread, defaults};

/// The port on which every engine listens inside its container.
pub const CONTAINER_PORT: u16 = 8000;

/// Where a container finds the chat template of its engine, if that has one.
pub const CONTAINER_TEMPLATE: &str = "/etc/enginehouse/chat-template.jinja";

/// What runs in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The image.
    pub image: Image,
    /// What runs in place of what the image starts, with placeholders; empty where the image knows.
    pub command: Vec<String>,
    /// Arguments behind that.
    pub args: Vec<String>,
    /// Environment; values may be references.
    pub env: BTreeMap<String, String>,
}

/// The container of every replica of an engine that gets `gpus` GPUs each (none where only the machine knows).
pub fn container(document: &Document, model: &Model, engine: &Engine, gpus: Option<usize>) -> Container {
    let common = &document.defaults;
    let args = if engine.command.is_empty() { arguments(model, engine, common, gpus) } else { engine.args.clone() };
    Container {
        image: image(document, model.model_type, engine),
        command: engine.command.clone(),
        args,
        env: environment(model.model_type, engine, common),
    }
}

/// The image of an engine: its own, else its recipe's or its type's, else that of its type, else vLLM-Omni's for what that
/// serves, else vLLM's.
pub fn image(document: &Document, model_type: ModelType, engine: &Engine) -> Image {
    let common = &document.defaults;
    if let Some(own) = &engine.image {
        return Image::Named(own.clone());
    }
    let of_type = common.types.get(&model_type);
    let recipe = engine.recipe.as_ref().or_else(|| of_type?.recipe.as_ref());
    let recipe = recipe.and_then(|name| document.recipes.iter().find(|recipe| recipe.name == *name));
    if let Some(recipe) = recipe {
        return Image::Built(BuildPlan::new(recipe, common));
    }
    let of_program = || match model_type {
        ModelType::TextToSpeech | ModelType::ImageGeneration => common.images.vllm_omni.as_deref(),
        _ => common.images.vllm.as_deref(),
    };
    let chosen = of_type.and_then(|of_type| of_type.image.as_deref()).or_else(of_program);
    Image::Named(chosen.unwrap_or(defaults(model_type).image).to_owned())
}

/// The environment of an engine: for all, under that for its type, under its own.
pub fn environment(model_type: ModelType, engine: &Engine, common: &Defaults) -> BTreeMap<String, String> {
    let mut all = common.env.clone();
    all.extend(common.types.get(&model_type).into_iter().flat_map(|of_type| of_type.env.clone()));
    all.extend(engine.env.clone());
    all
}

/// The command line of `vllm serve`: what must be, then what the type brings, then what people add.
fn arguments(model: &Model, engine: &Engine, common: &Defaults, gpus: Option<usize>) -> Vec<String> {
    let port = CONTAINER_PORT.to_string();
    let mut args = vec![engine.source.clone()];
    let mut pair = |name: &str, value: &str| args.extend([name.to_owned(), value.to_owned()]);
    pair("--served-model-name", &model.name);
    pair("--host", "0.0.0.0");
    pair("--port", &port);
    let more = added_words(model.model_type, engine, common);
    // What shares a layer is what people's own words leave of the GPUs.
    let spread = Spread::read(&more);
    let gpus = gpus.and_then(|gpus| u64::try_from(gpus).ok()).map(|gpus| spread.shared_by(gpus));
    for (name, value) in options(engine, gpus) {
        pair(name, &value);
    }
    if engine.tool_call_parser.is_some() {
        args.push("--enable-auto-tool-choice".to_owned());
    }
    if engine.trust_remote_code {
        args.push("--trust-remote-code".to_owned());
    }
    args.extend(defaults(model.model_type).args.iter().map(|&word| word.to_owned()));
    args.extend(more);
    args
}

/// What people add to the command line of `vllm serve`: for all, for its type, for itself.
pub(crate) fn added_words(model_type: ModelType, engine: &Engine, common: &Defaults) -> Vec<String> {
    let of_type = common.types.get(&model_type).into_iter().flat_map(|of_type| of_type.args.clone());
    common.args.iter().cloned().chain(of_type).chain(engine.args.iter().cloned()).collect()
}

/// What the fields of an engine say in vLLM's words.
fn options(engine: &Engine, shared_by: Option<u64>) -> impl Iterator<Item = (&'static str, String)> {
    // A folder has no revisions.
    let revision = engine.revision.clone().filter(|_| !Path::new(&engine.source).is_absolute());
    // One GPU needs no word, unless somebody said so.
    let parallel = engine.tensor_parallel_size.map(u64::from).or(shared_by.filter(|gpus| *gpus > 1));
    let template = engine.chat_template.as_ref().map(|_| CONTAINER_TEMPLATE.to_owned());
    let all = [
        ("--revision", revision),
        ("--tensor-parallel-size", parallel.map(|size| size.to_string())),
        ("--max-model-len", engine.max_model_len.map(|tokens| tokens.to_string())),
        ("--quantization", engine.quantization.clone().filter(|kind| kind != "auto")),
        ("--kv-cache-dtype", engine.kv_cache_dtype.clone()),
        ("--gpu-memory-utilization", engine.gpu_memory_utilization.map(|share| share.to_string())),
        ("--max-num-batched-tokens", engine.max_num_batched_tokens.map(|tokens| tokens.to_string())),
        ("--tool-call-parser", engine.tool_call_parser.clone()),
        ("--reasoning-parser", engine.reasoning_parser.clone()),
        ("--chat-template", template),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, parse};

    const RECIPES: &str = "recipes: [{name: audio, apt: [ffmpeg]}, {name: other, apt: [sox]}]";

    fn named(image: &str) -> Image {
        Image::Named(image.to_owned())
    }

    fn made(model_type: &str, engine: &str, common: &str) -> Container {
        let text = format!(
            "version: 1\n{RECIPES}\ndefaults: {{{common}}}\nmodels: [{{name: org/m, type: {model_type}, deployments: [{{engine: {{source: Org/M, {engine}}}}}]}}]"
        );
        let document = parse(&text, Format::Yaml).unwrap();
        let model = &document.models[0];
        let engine = model.deployments[0].engine.as_ref().unwrap();
        let gpus = engine.gpus.len() / engine.replicas as usize;
        container(&document, model, engine, Some(gpus))
    }

    #[test]
    fn gpus_that_are_spread_over_stages_and_ranks_share_no_layer() {
        let tensor = |engine: &str, common: &str| {
            let args = made("chat", engine, common).args;
            let place = args.iter().position(|word| word == "--tensor-parallel-size");
            place.map(|place| args[place + 1].clone())
        };
        assert_eq!(tensor("gpus: [0, 1, 2, 3]", "").as_deref(), Some("4"));
        assert_eq!(tensor("gpus: [0, 1, 2, 3], args: [-pp, '2']", "").as_deref(), Some("2"));
        assert_eq!(tensor("gpus: [0, 1, 2, 3], args: [--data-parallel-size=2]", "args: [-pp, '2']"), None);
        assert_eq!(tensor("gpus: [0, 1], args: [-pp, '2'], tensor_parallel_size: 2", "").as_deref(), Some("2"));
    }

    #[test]
    fn every_type_has_its_image_and_its_arguments() {
        for (model_type, image, words) in [
            ("chat", "vllm/vllm-openai:", &["--runner generate", "--enable-prompt-tokens-details"][..]),
            ("vision", "vllm/vllm-openai:", &["--runner generate"]),
            ("embedding", "vllm/vllm-openai:", &["--runner pooling"]),
            ("rerank", "vllm/vllm-openai:", &["--runner pooling"]),
            ("speech-to-text", "vllm/vllm-openai:", &["--runner generate"]),
            ("text-to-speech", "vllm/vllm-omni:", &["--omni"]),
            ("image-generation", "vllm/vllm-omni:", &["--omni"]),
        ] {
            let made = made(model_type, "", "");
            let line = made.args.join(" ");
            assert!(
                matches!(&made.image, Image::Named(name) if name.starts_with(image)),
                "{model_type}: {:?}",
                made.image
            );
            assert!(line.starts_with("Org/M --served-model-name org/m --host 0.0.0.0 --port 8000"), "{line}");
            assert!(words.iter().all(|word| line.contains(word)), "{model_type}: {line}");
        }
    }

    #[test]
    fn the_fields_of_an_engine_become_arguments() {
        let engine = "revision: v1, gpus: [0, 1, 2, 3], replicas: 2, quantization: fp8, max_model_len: 4096, \
            kv_cache_dtype: fp8, gpu_memory_utilization: 0.85, max_num_batched_tokens: 2048, tool_call_parser: hermes, \
            reasoning_parser: qwen3, trust_remote_code: true, args: [--x]";
        let line = made("chat", engine, "args: [--all], types: {chat: {args: [--type]}}").args.join(" ");
        let expected = "--revision v1 --tensor-parallel-size 2 --max-model-len 4096 --quantization fp8 --kv-cache-dtype fp8 \
            --gpu-memory-utilization 0.85 --max-num-batched-tokens 2048 --tool-call-parser hermes --reasoning-parser qwen3 \
            --enable-auto-tool-choice --trust-remote-code --runner generate --enable-prompt-tokens-details --all --type --x";
        assert!(line.ends_with(expected), "{line}");
        let line = made("chat", "chat_template: '{{ messages }}'", "").args.join(" ");
        assert!(line.contains(" --chat-template /etc/enginehouse/chat-template.jinja --runner"), "{line}");
        let line = made("chat", "quantization: auto, gpus: [0]", "").args.join(" ");
        assert!(!line.contains("quantization") && !line.contains("tensor"), "{line}");
        let line = made("chat", "gpus: [0, 1], tensor_parallel_size: 1", "").args.join(" ");
        assert!(line.contains(" --tensor-parallel-size 1 "), "{line}");
    }

    #[test]
    fn an_image_is_chosen_by_engine_then_recipe_then_type_then_program() {
        let common = "images: {vllm: all:1, vllm-omni: omni:1}, \
            types: {rerank: {image: rerank:1}, speech-to-text: {recipe: audio}}";
        let image = |model_type, engine| made(model_type, engine, common).image;
        let recipe = |image| match image {
            Image::Built(plan) => plan.recipe,
            Image::Named(name) => name,
        };
        assert_eq!(image("chat", ""), named("all:1"));
        assert_eq!(image("text-to-speech", ""), named("omni:1"));
        assert_eq!(image("rerank", ""), named("rerank:1"));
        assert_eq!(image("rerank", "image: own:1"), named("own:1"));
        assert_eq!(recipe(image("rerank", "recipe: other")), "other");
        assert_eq!(recipe(image("speech-to-text", "")), "audio");
        assert_eq!(recipe(image("speech-to-text", "recipe: other")), "other");
        assert_eq!(image("speech-to-text", "image: own:1"), named("own:1"));
    }

    #[test]
    fn environment_is_layered() {
        let common = "env: {A: all, B: all, C: all}, types: {chat: {env: {B: type, C: type}}, rerank: {env: {A: no}}}";
        let env: Vec<_> = made("chat", "env: {C: own}", common).env.into_iter().collect();
        assert_eq!(env, [("A", "all"), ("B", "type"), ("C", "own")].map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn a_command_of_its_own_gets_no_arguments() {
        let made = made("chat", "command: [serve, '{port}'], args: [--x]", "args: [--all]");
        assert_eq!((made.command, made.args), (vec!["serve".into(), "{port}".into()], vec!["--x".to_owned()]));
    }
}
