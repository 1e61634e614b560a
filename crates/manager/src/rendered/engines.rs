use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use snapshot::Address;
use spec::{Document, Model, defaults};

use crate::home::unfinished;

/// The engines that are ready, as Prometheus' file discovery reads them. Those that listen on a socket it cannot reach.
pub(super) fn targets(document: &Document, ready: &BTreeMap<String, Address>) -> String {
    let targets: Vec<Value> = ready.iter().filter_map(|(id, address)| target(document, id, address)).collect();
    // Cannot fail: every key is a string.
    let mut text = serde_json::to_string_pretty(&targets).unwrap_or_default();
    text.push('\n');
    text
}

fn target(document: &Document, id: &str, address: &Address) -> Option<Value> {
    let (Address::Http(place), (deployment, _)) = (address, id.rsplit_once('/')?) else { return None };
    let serves = |model: &&Model| model.deployments.iter().any(|one| one.id.as_deref() == Some(deployment));
    let model = document.models.iter().find(serves)?;
    Some(json!({
        "targets": [place],
        "labels": {
            "__metrics_path__": defaults(model.model_type).metrics_path,
            "model_name": model.name,
            "model_type": model.model_type,
            "replica": id,
        },
    }))
}

/// Prometheus may look at any moment; after a crash the next change writes it anew.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let temporary = unfinished(path);
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use spec::{Format, parse};

    use super::*;

    #[test]
    fn engines_with_a_port_are_told_with_their_model() {
        let text = "version: 1\nmodels: [{ name: org/m, type: embedding, deployments: [{ id: d, endpoint: { url: 'http://x' } }] }]";
        let document = parse(text, Format::Yaml).unwrap();
        let ready = BTreeMap::from([
            ("d/0".to_owned(), Address::Http("127.0.0.1:8001".into())),
            ("d/1".to_owned(), Address::Unix("/run/d-1.sock".into())),
            ("gone/0".to_owned(), Address::Http("127.0.0.1:8002".into())),
        ]);
        let told: Value = serde_json::from_str(&targets(&document, &ready)).unwrap();
        let labels = json!({ "__metrics_path__": "/metrics", "model_name": "org/m", "model_type": "embedding", "replica": "d/0" });
        assert_eq!(told, json!([{ "targets": ["127.0.0.1:8001"], "labels": labels }]));
    }
}
