use std::time::Duration;

use serde_json::{Value, json};

use crate::testing::TestApp;
use crate::testing::engine::{Behaviour, document};

const ENDPOINT: &str = "
version: 1
models:
  - name: m
    type: chat
    deployments: [{ endpoint: { url: 'http://127.0.0.1:9/v1' } }]
    price: { input: 1 }
";

fn config(app: &TestApp) -> Value {
    serde_json::from_str(&std::fs::read_to_string(app.path("config.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn a_document_is_committed_projected_and_published() {
    let app = TestApp::on_new_home().run().await;
    let applied = app.apply(ENDPOINT).await;
    assert_eq!((&applied["revision"], &applied["changed"]), (&json!(1), &json!(true)));
    let change = &applied["changes"][0];
    assert_eq!((&change["kind"], &change["name"], &change["change"]), (&json!("model"), &json!("m"), &json!("new")));
    assert_eq!(applied["plan"], json!([{"model": "m", "action": "hot", "interrupts": false, "reason": "new"}]));
    assert_eq!(
        (app.snapshot().revision, app.snapshot().models[0].price.version),
        (1, 1),
        "published before the answer"
    );
    assert_eq!(app.ended(&applied["job"]).await["state"], "succeeded");

    let stored = config(&app);
    let current = app.manager.current();
    assert_eq!((&stored["revision"], &stored["digest"]), (&json!(1), &json!(current.digest)));
    let id = stored["document"]["models"][0]["deployments"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(&*app.snapshot().models[0].deployments[0].id, id);

    let dearer = app.apply(&ENDPOINT.replace("input: 1", "input: 2")).await;
    assert_eq!((&dearer["revision"], &dearer["changes"][0]["fields"]), (&json!(2), &json!(["price.input"])));
    let model = app.snapshot().models[0].clone();
    assert_eq!((model.price.version, &*model.deployments[0].id), (2, id.as_str()), "the id stays");
    app.end(false).await;
}

#[tokio::test]
async fn the_same_document_again_changes_nothing() {
    let app = TestApp::on_new_home().open().await;
    app.apply(ENDPOINT).await;
    let again = app.apply(ENDPOINT).await;
    assert_eq!((&again["revision"], &again["changed"]), (&json!(1), &json!(false)));
    assert_eq!((&again["changes"], &again["plan"]), (&json!([]), &json!([])));
    assert_eq!(app.manager.store().revisions().find(&store::RevisionFilter::default(), 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let app = TestApp::on_new_home().open().await;
    let dry = app.apply_with("?dry_run=true", ENDPOINT).await.ok();
    assert_eq!((&dry["revision"], &dry["changed"], &dry["job"]), (&json!(0), &json!(true), &Value::Null));
    assert_eq!(dry["plan"][0]["model"], "m");
    assert_eq!((app.manager.current().revision, app.path("config.json").exists()), (0, false));
}

#[tokio::test]
async fn every_fault_is_named_and_nothing_is_written() {
    let app = TestApp::on_new_home().open().await;
    app.apply(ENDPOINT).await;
    let faulty = "
version: 1
models:
  - { name: '', type: chat }
  - { name: b, type: chat, deployments: [{ endpoint: { url: 'nonsense' } }, {}], price: { input: -1 } }
";
    let problem = app.apply_with("", faulty).await.problem(422);
    let paths: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|e| e["path"].as_str().unwrap()).collect();
    let expected = [
        "models[0].name",
        "models[1].deployments[0].endpoint.url",
        "models[1].deployments[1]",
        "models[1].price.input",
    ];
    assert_eq!(paths, expected, "{problem}");
    assert_eq!(problem["title"], "Invalid document");
    let unreadable = app.apply_with("", "version: 1\nmodels: [{nam: x}]").await.problem(422);
    assert!(unreadable["errors"][0]["message"].as_str().unwrap().contains("line 2"), "{unreadable}");
    let relative = json!({ "document": ENDPOINT, "base_dir": "relative" });
    app.owner().post("/api/v1/apply", &relative).await.problem(422);
    assert_eq!((app.manager.current().revision, config(&app)["revision"].as_u64()), (1, Some(1)));
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_refuses_the_whole() {
    let app = TestApp::on_new_home().open().await;
    // A folder in the way of the temporary file.
    std::fs::create_dir(app.path("config.json.new")).unwrap();
    app.apply_with("", ENDPOINT).await.problem(500);
    assert_eq!(app.manager.store().revisions().latest().await.unwrap(), None);
    std::fs::remove_dir(app.path("config.json.new")).unwrap();
    app.apply(ENDPOINT).await;
}

#[tokio::test]
async fn a_store_that_cannot_be_written_refuses_the_whole() {
    let app = TestApp::on_new_home().open().await;
    std::fs::rename(app.path("enginehouse.db"), app.path("aside")).unwrap();
    app.apply_with("", ENDPOINT).await.problem(503);
    std::fs::rename(app.path("aside"), app.path("enginehouse.db")).unwrap();
    assert_eq!((app.manager.current().revision, app.path("config.json").exists()), (0, false));
    assert!(!app.path("config.json.new").exists(), "nothing is left lying");
    app.apply(ENDPOINT).await;
}

#[tokio::test]
async fn an_empty_store_imports_the_projection_once() {
    let app = TestApp::on_new_home().open().await;
    app.apply(ENDPOINT).await;
    let before = app.manager.current().document.clone();
    let builder = app.end(false).await;
    for file in ["enginehouse.db", "enginehouse.db-wal", "enginehouse.db-shm"] {
        let _ = std::fs::remove_file(builder.path().join(file));
    }
    let app = builder.open().await;
    let current = app.manager.current();
    assert_eq!((current.revision, &current.document), (1, &before), "with the ids that it had");
    assert_eq!(app.manager.store().revisions().latest().await.unwrap().unwrap().summary.author, "import");
    std::fs::write(app.path("config.json"), "{\"version\": 1}").unwrap();
    let app = app.end(false).await.open().await;
    assert_eq!(app.manager.current().document, before, "a hand edit is no apply");
    assert_eq!(config(&app)["revision"], Value::Null, "a command leaves it to be seen");
    let app = app.end(false).await.open_with_gateway().await;
    assert_eq!(config(&app)["revision"], 1, "and a service overwrites it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_atomic_apply_that_cannot_work_is_rolled_back() {
    let app = TestApp::on_new_home().run().await;
    app.apply(ENDPOINT).await;
    let before = app.manager.current().document.clone();
    let broken = document(Behaviour::Unhealthy, "");
    let applied = app.apply_with("?atomic=true&timeout_seconds=5", &broken).await.ok();
    assert_eq!(applied["revision"], 2);
    app.apply_with("", ENDPOINT).await.problem(409);
    app.apply_with("?dry_run=true", ENDPOINT).await.ok();
    let job = app.ended(&applied["job"]).await;
    assert_eq!((&job["state"], &job["revision"]), (&json!("rolled_back"), &json!(2)));
    assert_eq!((&job["message"], &job["models"][0]["ready"]), (&json!("not everything was ready in time"), &json!(0)));
    let after = app.manager.current();
    assert_eq!((after.revision, &after.document), (3, &before));
    assert_eq!(app.manager.store().revisions().latest().await.unwrap().unwrap().summary.author, "rollback");
    assert_eq!((app.snapshot().revision, config(&app)["revision"].as_u64()), (3, Some(3)));
    app.apply(ENDPOINT).await;
    app.until(async || app.manager.config().home.records().unwrap().is_empty().then_some(())).await;
    app.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_atomic_apply_of_a_crash_loop_is_given_up_early() {
    let app = TestApp::on_new_home().run().await;
    let applied = app.apply_with("?atomic=true&timeout_seconds=86400", &document(Behaviour::Crashing, "")).await.ok();
    let job = app.ended(&applied["job"]).await;
    assert_eq!(job["state"], "rolled_back");
    assert!(job["message"].as_str().unwrap().contains("the engine gives up"), "{job}");
    assert_eq!(app.manager.current().document, spec::Document::default());
    app.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_atomic_apply_that_works_stands() {
    let app = TestApp::on_new_home().run().await;
    let applied = app.apply_with("?atomic=true", &document(Behaviour::Healthy, "")).await.ok();
    assert_eq!(app.ended(&applied["job"]).await["state"], "succeeded");
    assert_eq!(app.manager.current().revision, 1);
    app.apply(ENDPOINT).await;
    app.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_that_dies_leaves_the_verification_to_the_next() {
    let app = TestApp::on_new_home().run().await;
    app.apply(ENDPOINT).await;
    app.apply_with("?atomic=true&timeout_seconds=6", &document(Behaviour::Unhealthy, "")).await.ok();
    let app = app.end(false).await.run().await;
    assert_eq!(app.manager.current().revision, 2);
    app.until(async || (app.manager.current().revision == 3).then_some(())).await;
    assert_eq!(app.manager.current().document.models[0].deployments[0].engine, None);
    app.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_apply_slips_in_before_the_next_manager_verifies() {
    let app = TestApp::on_new_home().run().await;
    app.apply(ENDPOINT).await;
    app.apply_with("?atomic=true&timeout_seconds=600", &document(Behaviour::Unhealthy, "")).await.ok();
    // With a gateway, as a service that answers already and does not supervise yet.
    let app = app.end(false).await.open_with_gateway().await;
    let problem = app.apply_with("", ENDPOINT).await.problem(409);
    let detail = problem["detail"].as_str().unwrap();
    let job = detail.split(|c: char| !c.is_ascii_hexdigit()).find(|word| word.len() == 12).unwrap_or_default();
    assert_eq!(app.owner().get(&format!("/api/v1/jobs/{job}")).await.ok()["state"], "running", "{detail}");
    // A command on a home where nothing runs is the way out.
    let app = app.end(false).await.open().await;
    app.apply(ENDPOINT).await;
    let app = app.end(false).await.run().await;
    app.until(async || app.manager.config().home.records().unwrap().is_empty().then_some(())).await;
    app.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_a_revision_that_was_replaced_ends() {
    let app = TestApp::on_new_home().run().await;
    let first = app.apply(&document(Behaviour::Unhealthy, "")).await;
    app.apply(ENDPOINT).await;
    let job = tokio::time::timeout(Duration::from_secs(60), app.ended(&first["job"])).await.unwrap();
    assert_eq!((&job["state"], &job["message"]), (&json!("failed"), &json!("revision 2 replaced it")));
    app.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_of_an_engine_shows_nowhere() {
    const SECRET: &str = "hunter2-hunter2";
    let app = TestApp::on_new_home().variable("MINE", SECRET).run().await;
    let literal = app.apply_with("", &document(Behaviour::Healthy, &format!("env: {{HF_TOKEN: {SECRET}}}"))).await;
    assert!(!literal.text.contains(SECRET), "{}", literal.text);
    let problem = literal.problem(422);
    assert_eq!(problem["errors"][0]["path"], "models[0].deployments[0].engine.env.HF_TOKEN");
    assert!(!app.path("config.json").exists());

    let applied = app.apply(&document(Behaviour::Healthy, "env: {HF_TOKEN: os.environ/MINE}")).await;
    app.ended(&applied["job"]).await;
    let replica = app.replica(|replica| replica["state"] == "ready").await;
    for path in ["document", "revisions/1", "models", "status", "jobs/none"] {
        let answer = app.owner().get(&format!("/api/v1/{path}")).await.text;
        assert!(!answer.contains(SECRET), "{path}: {answer}");
    }
    let words = std::fs::read_to_string(format!("/proc/{}/cmdline", replica["pid"])).unwrap();
    let files = ["config.json", "enginehouse.db", "enginehouse.db-wal"].map(|name| std::fs::read(app.path(name)));
    let records = std::fs::read_dir(app.path("run")).unwrap().map(|entry| std::fs::read(entry.unwrap().path()));
    let logs = std::fs::read_dir(app.path("logs")).unwrap().map(|entry| std::fs::read(entry.unwrap().path()));
    for bytes in files.into_iter().chain(records).chain(logs).chain([Ok(words.into_bytes())]) {
        assert!(!String::from_utf8_lossy(&bytes.unwrap()).contains(SECRET));
    }
    app.end(true).await;
}
