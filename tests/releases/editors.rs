//! Many edit the same few items at once: each lost race is told, and no edit is lost in silence.

use hyper::Method;
use serde_json::{Value, json};
use support::{Http, Server, document};
use tokio::task::JoinSet;

/// Editors, and what each gets done.
const EDITORS: usize = 20;
const EDITS: usize = 10;
/// Items that they fight over.
const ITEMS: usize = 3;

fn model(name: &str, count: u64) -> Value {
    json!({ "name": name, "type": "chat", "price": { "input": count } })
}

/// Adds one to the item's price, as often as it takes to be let; how often it was told that somebody was faster.
async fn count_up(admin: &Http, name: &str) -> usize {
    let mut told = 0;
    loop {
        let item = admin.get(&format!("/api/v1/items/model/{name}")).await;
        let item = item.expect(200).json();
        let count = item["data"]["price"]["input"].as_f64().unwrap() + 1.0;
        let seen = admin.clone().with_header("if-match", item["etag"].as_str().unwrap());
        let edit = json!({ "name": name, "type": "chat", "price": { "input": count } });
        let answer = seen.send(Method::PUT, &format!("/api/v1/staged/model/{name}"), edit.to_string()).await;
        if answer.status == 200 {
            return told;
        }
        assert!(answer.expect(412).text().contains("no longer what you have seen"), "{}", answer.text());
        told += 1;
    }
}

async fn edit(admin: Http, editor: usize) -> usize {
    let mut told = 0;
    for n in 0..EDITS {
        told += count_up(&admin, &format!("m{}", (editor + n) % ITEMS)).await;
        if editor.is_multiple_of(5) && n % 4 == 3 {
            // Somebody applies in the midst of it; another apply at that moment is told as well.
            let answer = admin.post("/api/v1/staged/apply", &json!({ "all": true })).await;
            assert!([200, 409, 412].contains(&answer.status.as_u16()), "{}", answer.text());
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_editors_lose_nothing_in_silence() {
    let program = support::enginehouse!();
    let server = Server::start(&program).await;
    let models: Vec<_> = (0..ITEMS).map(|n| model(&format!("m{n}"), 0)).collect();
    server.apply(&document::of(&models));
    let mut editors = JoinSet::new();
    for editor in 0..EDITORS {
        editors.spawn(edit(server.admin(), editor));
    }
    let told: usize = editors.join_all().await.into_iter().sum();
    assert!(told > 0, "nobody was ever in anybody's way: this test shows nothing");
    server.admin().post("/api/v1/staged/apply", &json!({ "all": true })).await.expect(200);
    let document = server.admin().get("/api/v1/document").await.expect(200).json();
    let counts =
        document["document"]["models"].as_array().unwrap().iter().map(|m| m["price"]["input"].as_f64().unwrap());
    let sum: f64 = counts.sum();
    assert_eq!(
        sum.to_string(),
        (EDITORS * EDITS).to_string(),
        "every edit that was let in counts once; told {told} times"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_applies_at_once_each_wins_or_is_told() {
    let program = support::enginehouse!();
    let server = Server::start(&program).await;
    server.apply(&document::of(&[model("m", 0)]));
    let mut applies = JoinSet::new();
    for n in 1..=8 {
        let admin = server.admin();
        let document = document::of(&[model("m", n)]).to_string();
        let body = json!({ "document": document, "format": "json", "seen_revision": 1 });
        applies.spawn(async move { admin.post("/api/v1/apply", &body).await });
    }
    let answers = applies.join_all().await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1, "all of them decided on revision 1");
    for told in answers.iter().filter(|answer| answer.status != 200) {
        assert!(matches!(told.status.as_u16(), 409 | 412), "{}", told.text());
        assert!(told.text().contains("master"), "says who: {}", told.text());
    }
    let status = server.admin().get("/api/v1/status").await.expect(200).json();
    assert_eq!(status["revision"], 2);
}
