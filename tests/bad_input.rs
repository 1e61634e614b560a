//! Bad input from outside: the command ends with 1 and the API answers 422, both name the field and what to do, and nothing is
//! written. Every row that there is stands at the crate `spec`; here are those that people meet.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use serde_json::{Value, json};
use support::{Finished, Server};

fn with_name(name: &str) -> Value {
    json!({"version": 1, "models": [{"name": name, "type": "chat"}]})
}

fn with_engine(fields: &Value) -> Value {
    let mut engine = json!({"source": "Org/Model"});
    engine.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"version": 1, "models": [{"name": "m", "type": "chat", "deployments": [{"engine": engine}]}]})
}

/// Documents, where the fault is, and words of the message.
fn rows() -> Vec<(Value, String, &'static str)> {
    let name = || "models[0].name".to_owned();
    let mut rows = vec![
        (with_name("open"), name(), "are reserved for paths; choose another"),
        (with_name("models"), name(), "are reserved for paths; choose another"),
        (with_name("v1"), name(), "are reserved for paths; choose another"),
        (with_name(""), name(), "name is empty; give 1 to 256 bytes"),
        (with_name(&"x".repeat(300)), name(), "with 300 bytes; give at most 256"),
        (with_name("a\u{7}b"), name(), "must not hold control characters"),
        (with_name("a/../b"), name(), "`.` and `..` are folders in paths; choose another"),
    ];
    let engines = [
        (
            json!({"gpus": [0, 1, 2], "replicas": 2}),
            "gpus",
            "not divisible by replicas (2); name 2 or 4, or set replicas to 1 or 3",
        ),
        (json!({"chat_template": "a\n{% for %}"}), "chat_template", "cannot be read: line 2: syntax error"),
        (json!({"chat_template": "{{ nobody() }}"}), "chat_template", "fails: line 1: unknown function"),
        (json!({"args": ["--port", "1"]}), "args[0]", "is for Enginehouse itself; leave it out"),
        (json!({"args": ["--host=0.0.0.0"]}), "args[0]", "is for Enginehouse itself; leave it out"),
        (json!({"args": ["--api_key", "x"]}), "args[0]", "is for Enginehouse itself; leave it out"),
        (json!({"args": ["--ud"]}), "args[0]", "is for Enginehouse itself; leave it out"),
        (json!({"args": ["--x", "$(reboot)"]}), "args[1]", "no shell reads them: leave it out"),
        (json!({"env": {"A": "b\nC=d"}}), "env.A", "holds a line break"),
        (
            json!({"source": "https://huggingface.co/Org/Model"}),
            "source",
            "give the id of a model at the Hugging Face Hub",
        ),
        (json!({"image": "two words"}), "image", "give the name of an image with its tag"),
        (json!({"recipe": "nowhere"}), "recipe", "there is no recipe `nowhere`; put it there, or name another"),
    ];
    for (fields, field, words) in engines {
        let place = format!("models[0].deployments[0].engine.{field}");
        rows.push((with_engine(&fields), place, words));
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_refused_with_where_what_and_what_to_do() {
    let server = Server::start(&support::enginehouse!()).await;
    let api = server.admin();
    for (document, place, words) in rows() {
        let text = document.to_string();
        let typed = Finished::of(&mut server.command(&["apply", "-f", "-"]), Some(&text));
        let said = typed.fails_with(1);
        assert!(said.contains(&place) && said.contains(words), "{text}: {said}");
        let sent = json!({"document": text, "format": "json", "base_dir": "/"});
        for path in ["/api/v1/apply", "/api/v1/plan"] {
            let problem = api.post(path, &sent).await;
            let errors = problem.expect(422).json()["errors"].clone();
            assert_eq!((errors.as_array().unwrap().len(), &errors[0]["path"]), (1, &json!(place)), "{errors}");
            assert!(errors[0]["message"].as_str().unwrap().contains(words), "{errors}");
        }
    }
    assert_eq!(server.cli(&["model", "list", "--json"]).json(), json!([]), "nothing was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_misspelt_field_beside_a_secret_repeats_no_line() {
    let server = Server::start(&support::enginehouse!()).await;
    let document = "version: 1\ncredentials:\n  - name: a\n    secert: sk-very-secret\n";
    let typed = Finished::of(&mut server.command(&["apply", "-f", "-"]), Some(document));
    let said = typed.fails_with(1);
    assert!(said.contains("unknown field `secert`") && !said.contains("sk-very-secret"), "{said}");
    let mut staged = server.command(&["config", "stage", "credential/a", "-f", "-"]);
    let staged = Finished::of(&mut staged, Some("name: a\nsecert: sk-very-secret: x\n"));
    let said = staged.fails_with(1);
    assert!(said.contains("line 2") && !said.contains("sk-very-secret"), "{said}");
}
