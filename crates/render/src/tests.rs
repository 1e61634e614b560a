use serde_json::Value;

use super::*;
use crate::testing::{FACTS, document};

const DOCUMENT: &str = "
credentials:
  - { name: my-openai, secret: 'sealed:v1:0123abcd:c2VhbGVk' }
  - { name: from-environment, secret: os.environ/OPENAI_KEY }
models:
  - { name: a, type: chat, deployments: [{ id: x, endpoint: { url: 'http://h/v1', credential: my-openai } }] }
  - { name: b, type: chat, deployments: [{ id: y, endpoint: { url: 'http://h/v1', credential: from-environment }, timeouts: { total: 7200.5 } }] }
requests: { max_body_bytes: 12345678 }";

fn text(target: Target) -> String {
    render(target, &document(DOCUMENT), &FACTS).text
}

#[test]
fn the_same_document_gives_the_same_bytes_and_no_secret() {
    for target in Target::ALL {
        let first = text(target);
        assert_eq!(first, text(target), "{target}");
        assert!(first.starts_with("# Made by Enginehouse from revision 12 (0123456789abcdef); "), "{first}");
        assert!(!first.contains("sealed:v1:"), "{first}");
        assert_eq!(target.as_str().parse(), Ok(target));
    }
    assert_eq!("grafana".parse::<Target>(), Err(UnknownTarget));
}

#[test]
fn an_edge_waits_longer_than_any_deployment_and_takes_bodies_as_large() {
    let (nginx, caddy) = (text(Target::Nginx), text(Target::Caddyfile));
    for words in [
        "proxy_read_timeout 7201s;",
        "client_max_body_size 12345678;",
        "proxy_buffering off;",
        "server 127.0.0.1:4000;",
    ] {
        assert!(nginx.contains(words), "{words}: {nginx}");
    }
    for words in ["read_timeout 7201s", "max_size 12345678", "flush_interval -1", "reverse_proxy 127.0.0.1:4000 {"] {
        assert!(caddy.contains(words), "{words}: {caddy}");
    }
    let short = render(Target::Nginx, &document("routing: { timeouts: { total: 60 } }"), &FACTS).text;
    assert!(short.contains("proxy_read_timeout 1800s;"), "{short}");
}

#[test]
fn other_programs_get_variables_by_name() {
    let compose: Value = serde_saphyr::from_str(&text(Target::Compose)).unwrap();
    let environment = |service: &str| compose["services"][service]["environment"].to_string();
    assert!(environment("enginehouse").contains("\"OPENAI_KEY\""), "{compose}");
    assert!(environment("litellm").contains("\"ENGINEHOUSE_CREDENTIAL_MY_OPENAI\""), "{compose}");
    let prometheus: Value = serde_saphyr::from_str(&text(Target::Prometheus)).unwrap();
    assert_eq!(prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0], "127.0.0.1:4000");
}

#[test]
fn the_files_beside_each_other_agree() {
    let facts = Facts { client: "127.0.0.1:4100".parse().unwrap(), admin: "127.0.0.1:7960".parse().unwrap(), ..FACTS };
    let of = |target| serde_saphyr::from_str::<Value>(&render(target, &document(DOCUMENT), &facts).text).unwrap();
    let (compose, prometheus) = (of(Target::Compose), of(Target::Prometheus));
    let service = &compose["services"]["enginehouse"];
    assert!(service["command"].to_string().contains(r#""0.0.0.0:4100","--admin-listen","0.0.0.0:7960""#), "{service}");
    let ports = service["ports"].to_string();
    assert!(ports.contains("127.0.0.1:4100:4100") && ports.contains("127.0.0.1:7960:7960"), "{ports}");
    assert_eq!(prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0], "127.0.0.1:4100");
    // What the one container writes, the other reads, where its configuration says.
    let volumes = |service: &str| compose["services"][service]["volumes"].to_string();
    assert!(volumes("enginehouse").contains("rendered:/var/lib/enginehouse/rendered\""), "{compose}");
    assert!(volumes("prometheus").contains("rendered:/etc/prometheus/engines:ro"), "{compose}");
    assert!(compose["volumes"].get("rendered").is_some());
    let followed = prometheus["scrape_configs"][2]["file_sd_configs"][0]["files"].to_string();
    assert!(followed.contains("\"engines/prometheus-engines.json\""), "{followed}");
}

#[test]
fn a_note_stays_in_its_comment() {
    let mut odd = document("models: [{ name: m, type: chat, open_access: true }]");
    odd.models[0].name = "m\nmodel_list: []".to_owned();
    let text = render(Target::Litellm, &odd, &FACTS).text;
    assert!(!text.contains("\nmodel_list: []: "), "{text}");
}
