use serde_json::{Map, Value, json};

use crate::{Body, Facts, yaml};

/// Name of the file beside `prometheus.yml` that tells which engines there are now. Prometheus follows it.
pub const ENGINES: &str = "prometheus-engines.json";
/// The folder beside `prometheus.yml` in which that file is where Prometheus runs by `compose.yaml`: a single file that
/// is replaced would stay as it was mounted.
pub(crate) const FOLLOWED: &str = "engines";
/// Name of the file beside `prometheus.yml` with a token for `/metrics`.
const TOKEN: &str = "enginehouse.token";

pub(crate) fn render(facts: &Facts<'_>) -> Body {
    let mut root = Map::new();
    root.insert("global".to_owned(), json!({ "scrape_interval": "15s", "scrape_timeout": "10s" }));
    let jobs = [
        job("enginehouse-gateway", &facts.client_here().to_string()),
        job("enginehouse-manager", &facts.admin_here().to_string()),
        json!({ "job_name": "engines", "file_sd_configs": [{ "files": [ENGINES, format!("{FOLLOWED}/{ENGINES}")] }] }),
    ];
    root.insert("scrape_configs".to_owned(), Value::from(Vec::from(jobs)));
    Body::plain(yaml::to_string(&root))
}

/// One of Enginehouse's own ports. The token is in a file, whose path is relative to the file that is rendered.
fn job(name: &str, target: &str) -> Value {
    json!({
        "job_name": name,
        "authorization": { "type": "Bearer", "credentials_file": TOKEN },
        "static_configs": [{ "targets": [target] }],
    })
}
