use std::collections::BTreeMap;

use super::{container, environment};
use crate::{Containers, Defaults, Fit, Images, TypeOverrides, fault::Scope, limits, quote::Quoted};

pub(super) fn check(here: &mut Scope<'_>, defaults: &Defaults) {
    let Defaults {
        images: Images { vllm, vllm_omni },
        args,
        env,
        types,
        containers,
        offline: _,
        placement: _,
        unified_memory,
        fit: Fit { margin },
    } = defaults;
    for (field, image) in [("vllm", vllm), ("vllm-omni", vllm_omni)] {
        if let Some(image) = image {
            container::check_image(&mut here.field("images").field(field), field, image);
        }
    }
    container::check_args(here, args);
    check_env(&mut here.field("env"), env);
    for (model_type, TypeOverrides { image, recipe, args, env }) in types {
        let mut types = here.field("types");
        let mut here = types.field(model_type.as_str());
        if let Some(image) = image {
            container::check_image(&mut here.field("image"), "image", image);
        }
        if image.is_some() && recipe.is_some() {
            here.field("recipe").fault("recipe and image are both set; keep one: a recipe names its image as `base`");
        }
        container::check_args(&mut here, args);
        check_env(&mut here.field("env"), env);
    }
    check_containers(&mut here.field("containers"), containers);
    if !limits::MARGIN.contains(margin) {
        let message = format!("margin is {margin}; give {} to {}", limits::MARGIN.start(), limits::MARGIN.end());
        here.field("fit").field("margin").fault(message);
    }
    let mut here = here.field("unified_memory");
    let share = unified_memory.gpu_memory_utilization;
    if !(share > 0.0 && share <= 1.0) {
        let message = format!("gpu_memory_utilization is {share}; give a share above 0, up to 1");
        here.field("gpu_memory_utilization").fault(message);
    }
    container::check_args(&mut here, &unified_memory.args);
}

fn check_env(here: &mut Scope<'_>, env: &BTreeMap<String, String>) {
    for (name, value) in env {
        environment::check_entry(here, name, value);
        container::check_variable(&mut here.field(name), name);
    }
}

fn check_containers(here: &mut Scope<'_>, containers: &Containers) {
    let Containers { network, cache, shm_bytes, log_bytes, log_files } = containers;
    if !is_name(network) || network == "host" || network == "none" || network == "bridge" {
        here.field("network")
            .fault(format!("network is {}; give the name of a network of its own, as `llm-network`", Quoted(network)));
    }
    let is_folder = |cache: &str| cache.starts_with('/') && !cache.contains([':', '\0', '\n']);
    if let Some(cache) = cache.as_deref().filter(|cache| !is_name(cache) && !is_folder(cache)) {
        here.field("cache").fault(format!("cache is {}; give an absolute path or the name of a volume", Quoted(cache)));
    }
    for (field, value, range) in [
        ("shm_bytes", *shm_bytes, limits::SHARED_MEMORY_BYTES),
        ("log_bytes", *log_bytes, limits::LOG_BYTES),
        (
            "log_files",
            u64::from(*log_files),
            u64::from(*limits::LOG_FILES.start())..=u64::from(*limits::LOG_FILES.end()),
        ),
    ] {
        if !range.contains(&value) {
            let (least, most) = range.into_inner();
            here.field(field).fault(format!("{field} is {value}; give {least} to {most}"));
        }
    }
}

/// What Docker takes for the name of a network or a volume.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(fits) && text.len() <= limits::ID_CHARS
}
