use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use support::{Registry, RegistryFault};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_pulled_with_progress_and_its_failures_are_told() {
    let Some(daemon) = daemon().await else { return };
    let server = server(&daemon).await;
    let registry = Registry::start(4 << 20).await;
    let image = registry.image();

    // Another layer: what Docker keeps of one that was cut is none of this test's business.
    let other = Registry::start(3 << 20).await;
    let refused = |fault: RegistryFault, words: &[&str]| {
        other.set(fault);
        let pulled = server.cli(&["image", "pull", &other.image()]);
        let said = pulled.fails_with(1);
        assert!(said.contains(&other.image()) && words.iter().any(|word| said.contains(word)), "{fault:?}: {said}");
    };
    tokio::task::block_in_place(|| {
        refused(RegistryFault::Status(404), &["not found", "404", "made-up"]);
        refused(RegistryFault::Status(401), &["unauthorized", "no basic auth", "401", "made-up"]);
        refused(RegistryFault::Cut, &["EOF", "reset", "retries", "206"]);
    });
    assert!(row(&server, &image).is_none());

    registry.set(RegistryFault::Slow);
    let mut command = server.command(&["image", "pull", &image]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("some of it to be here", || async {
        let tasks = server.admin().get("/api/v1/images/tasks").await.json();
        let progress = tasks.as_array()?.last()?["progress"].clone();
        let some = progress["bytes"].as_u64()? >= 4 << 20 && progress["bytes_done"].as_u64()? > 0;
        (some && progress["phase"] == "pulling" && progress["layers"] == 1).then_some(())
    })
    .await;
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = said.find(|line| line.as_ref().unwrap().contains("of 4.0 MiB")).unwrap().unwrap();
    assert!(line.contains("0 of 1 layers") && line.ends_with(&image), "{line}");
    registry.release();
    let rest: Vec<_> = said.map(Result::unwrap).collect();
    assert!(child.wait_with_output().unwrap().status.success(), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("is here, 4.0 MiB")), "{rest:?}");

    // What a model names is listed with what is known of it.
    apply(&server, &document(&json!({"image": image}), &json!([]))).ok();
    let listed = row(&server, &image).unwrap();
    assert_eq!((&listed["present"], &listed["used_by"]), (&json!(true), &json!(["m"])));
    assert!(listed["digest"].as_str().unwrap().starts_with("sha256:"), "{listed}");
    let bad = server.cli(&["image", "pull", "--json", "not an image"]);
    assert!(bad.fails_with(1).contains("give the name of an image with its tag"), "{}", bad.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_is_ended_by_whoever_asked_and_nothing_runs_without_docker() {
    let Some(mut daemon) = daemon().await else { return };
    let server = server(&daemon).await;
    let registry = Registry::start(1 << 20).await;
    registry.set(RegistryFault::Slow);
    let begun = server.admin().post("/api/v1/images/pulls", &json!({"image": registry.image()})).await;
    let id = begun.expect(202).json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/images/tasks/{id}");
    server.admin().send(http::Method::DELETE, &path, "").await.expect(200);
    eventually("the pull to end", || async {
        (server.admin().get(&path).await.json()["state"] == "cancelled").then_some(())
    })
    .await;
    server.admin().get("/api/v1/images/tasks/image-99").await.expect(404);
    let unknown = server.admin().post("/api/v1/images/builds", &json!({"recipe": "none"})).await;
    assert_eq!(unknown.expect(422).json()["errors"][0]["path"], "recipe", "{}", unknown.text());
    daemon.kill();
    apply(&server, &document(&json!({"image": "named:1"}), &json!([]))).ok();
    let named = row(&server, "named:1").unwrap();
    assert_eq!((&named["present"], &named["used_by"]), (&Value::Null, &json!(["m"])), "{named}");
    let why = "Docker does not answer at unix://";
    assert!(named["unknown"].as_str().unwrap().contains(why), "{named}");
    let listed = server.cli(&["image", "list"]);
    assert!(listed.ok().contains("unknown") && listed.stderr.contains(why), "{}", listed.stdout);
    let away = server.cli(&["image", "rm", "other:1"]);
    assert!(away.fails_with(1).contains(why), "{}", away.stderr);
}
