use spec::Model;

use super::fields::Fields;
use crate::{Finding, Verdict};

/// Parts of the configuration that have no place here, by the names that they have, and what to do instead.
const PARTS: [(&str, &[&str], &str); 11] = [
    ("gpus", &["gpus", "gpu_info", "detected_gpus"], "found again on this machine"),
    (
        "https",
        &["https", "caddy", "domain", "acme", "acme_email", "acme_server"],
        "this version has no HTTPS: put a proxy in front",
    ),
    (
        "ip allow-list",
        &["ip_whitelist", "ui_ip_whitelist", "admin_whitelist"],
        "guard the admin port with a firewall; it is on loopback unless told otherwise",
    ),
    ("monitoring", &["monitoring", "prometheus", "grafana", "dcgm"], "run your own; this service has /metrics"),
    (
        "images",
        &["images", "image_versions", "vllm_image", "litellm_image", "caddy_image"],
        "engines run as processes in this version",
    ),
    ("recipes", &["recipes", "recipe_images", "stt_recipes"], "engines run as processes in this version"),
    (
        "postgresql",
        &["postgres", "postgres_password", "database", "db_password", "database_url"],
        "LiteLLM's own; not needed",
    ),
    (
        "hugging face token",
        &["hf_token", "huggingface_token"],
        "engines run from the cache; download with HF_TOKEN set",
    ),
    ("hugging face cache", &["hf_cache", "hf_cache_dir", "cache_dir"], "set HF_HOME where Enginehouse is started"),
    ("energy", &["energy", "energy_monitor", "sessions"], "not in this version"),
    ("network", &["network", "docker_network", "ui_port", "port", "host"], "see `serve --listen` and `--admin-listen`"),
];

/// Names of fields of the format itself.
const FORMAT: [&str; 3] = ["version", "schema_version", "config_version"];

/// Tells of all else that is in the configuration.
pub(super) fn convert(config: &mut Fields<'_>, models: &[Model], report: &mut Vec<Finding>) {
    let shut = ["open_access_enabled", "open_access", "open_routes_enabled"];
    if config.flag(&shut) == Some(false) || config.flag(&["open_access_kill_switch", "kill_switch"]) == Some(true) {
        let note = "open routes were shut there; run `enginehouse open off` before you apply if they are to stay shut";
        report.push(Finding::new("open access", "kill switch", Verdict::LeftOut, note));
    }
    for (subject, names, note) in PARTS {
        if config.take(names).is_some() {
            report.push(Finding::new(subject, "", Verdict::LeftOut, note));
        }
    }
    let _ = config.take(&FORMAT);
    let open: Vec<_> =
        models.iter().filter(|model| model.open_access).map(|model| format!("`{}`", model.name)).collect();
    for field in config.unseen() {
        let field: String = field.chars().filter(|c| !c.is_control()).take(80).collect();
        let finding = if may_shut(&field) && !open.is_empty() {
            let note = format!(
                "this field is not known and may mean that open routes were shut, yet these are STAGED OPEN, without a key: {}; \
                 if they were shut there, run `enginehouse open off` before you apply",
                open.join(", ")
            );
            Finding::new("open access", &field, Verdict::LeftOut, note)
        } else {
            Finding::new("config.json", &field, Verdict::LeftOut, "this field is not known")
        };
        report.push(finding);
    }
}

/// Whether a field may be the kill switch of open access under another name.
fn may_shut(field: &str) -> bool {
    let field = field.to_ascii_lowercase();
    ["open", "disable"].iter().any(|word| field.contains(word))
}
