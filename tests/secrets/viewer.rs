//! What somebody with the role viewer can read: everything but what would let them in as somebody else.

use snapshot::KeyHash;
use support::{Http, Program};

use super::*;

const PASSWORD: &str = "the password of an admin, 7f3a";
/// Paths whose answers never end: they are read by themselves.
const ENDLESS: [&str; 1] = ["/api/v1/events"];

/// What asks Docker, which is not here.
const ASKS_DOCKER: [&str; 1] = ["/api/v1/images"];

/// The first task with images.
const IMAGE_TASK: &str = "image-1";
/// The first pull from the Hub.
const PULL: &str = "pull-1";

/// Values for the places in paths.
fn place(name: &str) -> &'static [&'static str] {
    match name {
        "account" => &["vera", "admin"],
        "kind" => &["model", "credential"],
        "name" => &["applied", "piped"],
        "key" => &["ann"],
        "model" => &["local", "applied"],
        "target" => &["litellm", "caddyfile", "nginx", "prometheus", "compose"],
        "from" | "number" => &["1", "2", "3"],
        "to" => &["2", "3"],
        "team" => &["research"],
        "token" => &["ci", "looks"],
        other => panic!("the API has a new place {{{other}}} in a path: say here what stands for it"),
    }
}

/// Every path that is meant by one with places.
fn filled(path: &str, job: &str) -> Vec<String> {
    let Some(open) = path.find('{') else { return vec![path.to_owned()] };
    let close = path.find('}').unwrap();
    let values = match &path[open + 1..close] {
        "id" => vec![job, PULL, IMAGE_TASK],
        name => place(name).to_vec(),
    };
    let values = values.into_iter();
    values.flat_map(|value| filled(&format!("{}{value}{}", &path[..open], &path[close + 1..]), job)).collect()
}

fn sha256(secret: &str) -> String {
    KeyHash::of(secret).to_string()
}

/// Every GET of the description, as somebody; what is said of each.
async fn read_all(who: &Http, job: &str) -> Vec<(String, String)> {
    let description = who.get("/api/openapi.json").await.expect(200).json();
    let mut said = vec![("the description".to_owned(), description.to_string())];
    let paths = description["paths"].as_object().unwrap();
    let gets = paths.iter().filter(|(_, operations)| operations.get("get").is_some()).map(|(path, _)| path.as_str());
    let mut answered = 0;
    for path in gets.filter(|path| !ENDLESS.contains(path) && !ASKS_DOCKER.contains(path)) {
        let mut has_answer = false;
        for path in filled(path, job) {
            for query in ["", "?staged=true", "?tail=10000", "?by=key,team,model"] {
                let answer = who.get(&format!("{path}{query}")).await;
                has_answer |= answer.status == 200;
                said.push((format!("{path}{query}"), format!("{:?}{}", answer.headers, answer.text())));
            }
        }
        assert!(has_answer, "{path} could not be read in any way");
        answered += 1;
    }
    assert!(answered > 25, "{answered}");
    said.push(("/metrics".to_owned(), who.get("/metrics").await.text().to_owned()));
    said
}

/// A server with something of every kind, and the secrets that there are: as they are presented.
async fn furnished(program: &Program, endpoint: &Endpoint) -> (Server, Vec<String>) {
    let options = ServerOptions::new(program).environment("ENGINEHOUSE_ADMIN_PASSWORD", PASSWORD);
    // Nobody is there: what is pulled from it fails at once.
    let server = options.environment("HF_ENDPOINT", "http://127.0.0.1:9").start().await;
    let pull = server.admin().post("/api/v1/hub/pulls", &json!({ "model": "org/absent" })).await;
    assert_eq!(pull.expect(202).json()["id"], PULL);
    let pull = server.admin().post("/api/v1/images/pulls", &json!({ "image": "localhost:9/absent:1" })).await;
    assert_eq!(pull.expect(202).json()["id"], IMAGE_TASK);
    for (name, secret) in [("piped", PIPED), ("put", PUT)] {
        Finished::of(&mut server.command(&["credential", "set", name]), Some(secret)).ok();
    }
    server.apply(&document(endpoint, APPLIED));
    server.cli(&["team", "create", "research"]).ok();
    let key = server.create_key(&["--alias", "ann", "--team", "research"]);
    let body = json!({ "model": "local", "messages": [{ "role": "user", "content": "hi" }] });
    server.client_with(&key).post("/v1/chat/completions", &body).await.expect(200);
    let token = server.cli(&["token", "create", "ci", "--role", "admin", "--quiet"]).ok().trim().to_owned();
    server.cli(&["account", "create", "vera", "--role", "viewer"]).ok();
    let editor = server.admin().with_header("if-match", "*");
    let staged = json!({ "name": "piped", "secret": STAGED }).to_string();
    editor.send(hyper::Method::PUT, "/api/v1/staged/credential/piped", staged).await.expect(200);
    // Two more revisions, and a session that is used.
    for name in ["one", "two"] {
        let mut document = document(endpoint, "***");
        document["credentials"][0] = json!({ "name": "applied", "provider": "openai", "secret": "***" });
        document["models"][0]["price"] = json!({ "input": if name == "one" { 1.0 } else { 2.0 } });
        server.apply(&document);
    }
    let anybody = Http::to(server.admin_address());
    let login = anybody.post("/api/v1/session", &json!({ "account": "admin", "password": PASSWORD })).await;
    let cookie = login.expect(200).header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let session = cookie.split_once('=').unwrap().1.to_owned();
    let secrets = [key, token, session, MASTER_KEY.to_owned(), PASSWORD.to_owned()];
    (server, secrets.into_iter().chain(ALL.map(ToOwned::to_owned)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_reads_no_secret_and_no_hash_of_one() {
    let program = support::enginehouse!();
    let endpoint = Endpoint::start().await;
    let (server, secrets) = furnished(&program, &endpoint).await;
    let viewer = server.cli(&["token", "create", "looks", "--role", "viewer", "--quiet"]).ok().trim().to_owned();
    let back = server.admin().post("/api/v1/revisions/3/rollback", &json!({})).await.expect(200).json();
    let job = back["job"].as_str().unwrap();
    let viewer_said = read_all(&Http::to(server.admin_address()).with_key(&viewer), job).await;
    for (what, text) in &viewer_said {
        for secret in secrets.iter().chain([&viewer]) {
            assert!(!text.contains(secret.as_str()), "{what} says a secret:\n{text}");
            assert!(!text.contains(&sha256(secret)), "{what} says the hash of a secret:\n{text}");
        }
        assert!(!text.contains("$argon2"), "{what} says the hash of a password:\n{text}");
    }
    // An admin finds a key by its hash, as LiteLLM's clients name it, and reads no more than that.
    let (key, admin) = (&secrets[0], server.admin());
    let path = format!("/api/v1/keys/{}", sha256(key));
    assert_eq!(admin.get(&path).await.expect(200).json()["hash"], sha256(key));
    for (what, text) in read_all(&admin, job).await {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{what} says a secret:\n{text}");
            let is_key = secret == key && what.contains("/keys");
            assert!(is_key || !text.contains(&sha256(secret)), "{what} says the hash of a secret:\n{text}");
        }
        assert!(!text.contains("$argon2"), "{what} says the hash of a password:\n{text}");
    }
    // What happens, as it is told.
    let mut events = Http::to(server.admin_address()).with_key(&viewer);
    events = events.with_header("last-event-id", "0-0");
    let mut events = events.try_stream(hyper::Method::GET, "/api/v1/events", "".into()).await.unwrap();
    let late = server.create_key(&["--alias", "late"]);
    let mut told = String::new();
    while !told.contains("key.create") {
        told += &events.next_event().await.unwrap().unwrap();
    }
    for secret in secrets.iter().chain([&late, &viewer]) {
        assert!(!told.contains(secret.as_str()) && !told.contains(&sha256(secret)), "{told}");
    }
    // What engines print goes to whoever asks for it: none of it is ours.
    let logs = server.cli(&["model", "logs", "local", "--tail", "10000"]);
    let logs = format!("{}{}", logs.ok(), logs.stderr);
    assert!(secrets.iter().all(|secret| !logs.contains(secret.as_str())), "{logs}");
}
