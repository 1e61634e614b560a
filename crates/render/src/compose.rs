use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use spec::{Document, environment_variables};

use crate::prometheus::FOLLOWED;
use crate::{Body, Facts, Target, variable, yaml};

/// The home inside the container.
const HOME: &str = "/var/lib/enginehouse";

/// Enginehouse, and under profiles what may stand beside it. The other services share Enginehouse's network, so that the
/// rendered files hold here as they do on a machine.
pub(crate) fn render(document: &Document, facts: &Facts<'_>) -> Body {
    let mut root = Map::new();
    root.insert("version".to_owned(), json!("3.8"));
    root.insert("services".to_owned(), services(document, facts));
    root.insert(
        "volumes".to_owned(),
        json!({ "enginehouse": {}, "rendered": {}, "hub": {}, "postgres": {}, "valkey": {}, "prometheus": {} }),
    );
    root.insert("secrets".to_owned(), secrets());
    Body::plain(yaml::to_string(&root))
}

fn services(document: &Document, facts: &Facts<'_>) -> Value {
    json!({
        "enginehouse": enginehouse(document, facts),
        "litellm": beside("litellm", json!({
            "image": "ghcr.io/berriai/litellm:main-stable",
            "command": ["--config", "/etc/litellm/config.yaml", "--host", "0.0.0.0", "--port", "4001"],
            "environment": litellm_environment(document),
            "volumes": [format!("./{}:/etc/litellm/config.yaml:ro", Target::Litellm.file_name())],
        })),
        "prometheus": beside("monitoring", json!({
            "image": "prom/prometheus:v3.5.0",
            // The files are readable for their owner only, who is root in the container that writes them.
            "user": "root",
            "command": ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.retention.time=30d"],
            "volumes": [
                format!("./{}:/etc/prometheus/prometheus.yml:ro", Target::Prometheus.file_name()),
                // Which engines there are: the service writes it into its home, of which only this folder is shown.
                format!("rendered:/etc/prometheus/{FOLLOWED}:ro"),
                "./enginehouse.token:/etc/prometheus/enginehouse.token:ro",
                "prometheus:/prometheus",
            ],
        })),
        "postgres": {
            "image": "postgres:17-alpine",
            "profiles": ["postgres"],
            "restart": "unless-stopped",
            "environment": {
                "POSTGRES_USER": "enginehouse",
                "POSTGRES_DB": "enginehouse",
                "POSTGRES_PASSWORD_FILE": "/run/secrets/postgres_password",
            },
            "secrets": ["postgres_password"],
            "volumes": ["postgres:/var/lib/postgresql/data"],
            "healthcheck": { "test": ["CMD", "pg_isready", "-U", "enginehouse"], "interval": "10s", "retries": 12 },
        },
        "valkey": {
            "image": "valkey/valkey:8-alpine",
            "profiles": ["valkey"],
            "restart": "unless-stopped",
            "volumes": ["valkey:/data"],
        },
    })
}

/// The ports are those of the service that renders, which the other files name too.
fn enginehouse(document: &Document, facts: &Facts<'_>) -> Value {
    let (client, admin) = (facts.client.port(), facts.admin.port());
    let open = |port: u16| format!("127.0.0.1:{port}:{port}");
    json!({
        "image": "${ENGINEHOUSE_IMAGE:-enginehouse:latest}",
        "command": [
            "serve", "--home", HOME, "--listen", format!("0.0.0.0:{client}"), "--admin-listen", format!("0.0.0.0:{admin}"),
        ],
        "restart": "unless-stopped",
        "stop_signal": "SIGTERM",
        "stop_grace_period": "45s",
        // Ports of services that share the network are opened here. Nothing but this machine reaches them.
        "ports": [open(client), open(admin), open(4001), open(9090)],
        "environment": enginehouse_environment(document),
        "secrets": ["master_key", "admin_password"],
        "volumes": [format!("enginehouse:{HOME}"), format!("rendered:{HOME}/rendered"), "hub:/root/.cache/huggingface"],
    })
}

/// A service of a profile that shares Enginehouse's network.
fn beside(profile: &str, service: Value) -> Value {
    let mut all = Map::new();
    all.insert("profiles".to_owned(), json!([profile]));
    all.insert("restart".to_owned(), json!("unless-stopped"));
    all.insert("network_mode".to_owned(), json!("service:enginehouse"));
    all.insert("depends_on".to_owned(), json!(["enginehouse"]));
    if let Value::Object(own) = service {
        all.extend(own);
    }
    Value::Object(all)
}

/// Secrets come as files; what the document refers to is handed on from who runs Compose, by name.
fn enginehouse_environment(document: &Document) -> Value {
    let deployments = document.models.iter().flat_map(|model| &model.deployments);
    let of_credentials = document.credentials.iter().filter_map(|credential| credential.secret.variable());
    let named: BTreeSet<&str> = deployments.flat_map(environment_variables).chain(of_credentials).collect();
    let fixed = [
        "ENGINEHOUSE_MASTER_KEY_FILE=/run/secrets/master_key",
        "ENGINEHOUSE_ADMIN_PASSWORD_FILE=/run/secrets/admin_password",
        "ENGINEHOUSE_DATABASE_URL",
    ];
    fixed.into_iter().chain(named).collect()
}

fn litellm_environment(document: &Document) -> Value {
    let endpoints = document.models.iter().flat_map(|model| &model.deployments).filter_map(|one| one.endpoint.as_ref());
    let credentials = endpoints
        .filter_map(|endpoint| endpoint.credential.as_deref())
        .map(|name| variable::of_endpoint(document, name));
    let mut names: BTreeSet<String> = credentials.collect();
    names.extend([variable::DIRECT_KEY, variable::LITELLM_MASTER_KEY].map(str::to_owned));
    names.into_iter().collect()
}

fn secrets() -> Value {
    let file = |name: &str| json!({ "file": format!("./secrets/{name}") });
    json!({
        "master_key": file("master_key"),
        "admin_password": file("admin_password"),
        "postgres_password": file("postgres_password"),
    })
}
