use super::*;

/// It never gets ready, says why, and is tried again with a pause.
async fn fails(server: &Server, image: &str, words: &[&str]) {
    apply(server, &document(&json!({"image": image, "start_timeout": 5}), &json!([]))).ok();
    let status = until_status(server, "failed", |status| {
        let message = replica(status)["message"].as_str().unwrap_or_default();
        replica(status)["state"] == "backing_off" && words.iter().all(|word| message.contains(word))
    })
    .await;
    assert!(replica(&status)["message"].as_str().unwrap().contains("started again at"), "{status}");
    assert_eq!((&status["state"], &status["ready"]), (&json!("failed"), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_is_no_engine_is_told_as_such() {
    let Some(daemon) = daemon().await else { return };
    let server = server(&daemon).await;
    daemon.make_starting("nothing:1", r#"["/no/such/program"]"#);
    daemon.make_starting("ends:1", r#"["/bin/sh", "-c", "echo done"]"#);
    daemon.make_starting(
        "other:1",
        r#"["/bin/sh", "-c", "exec /enginehouse serve --home /tmp/h --listen 0.0.0.0:8000"]"#,
    );
    daemon.make_starting_nothing("empty:1");
    daemon.make_starting("locked:1", r#"["/tmp"]"#);
    let no_engine = |image: &str| format!("the image {image} cannot be started as an engine");
    let advice = "its entry point must take the arguments of `vllm serve`: name another `image`, or give a `command`";
    fails(&server, "nothing:1", &[&no_engine("nothing:1"), "exit code 127", "a program is not there", advice]).await;
    fails(&server, "locked:1", &[&no_engine("locked:1"), "exit code 126", advice]).await;
    fails(&server, "empty:1", &[&no_engine("empty:1"), "it has no entry point", advice]).await;
    fails(&server, "ends:1", &["ended (exit code 0)", "is what it runs an engine?"]).await;
    fails(&server, "other:1", &["not healthy within 5 s", "/v1/models with 401", "is its image an engine"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_listens_elsewhere_is_told_while_it_starts() {
    let Some(daemon) = daemon().await else { return };
    let server = server(&daemon).await;
    let elsewhere = r#"["/bin/sh", "-c", "exec /enginehouse serve --home /tmp/h --listen 0.0.0.0:9100"]"#;
    daemon.make_starting("elsewhere:1", elsewhere);
    apply(&server, &document(&json!({"image": "elsewhere:1", "start_timeout": 3600}), &json!([]))).ok();
    let told = until_status(&server, "told", |status| {
        replica(status)["message"].as_str().unwrap_or_default().contains("it listens on port 9100")
    })
    .await;
    let message = replica(&told)["message"].as_str().unwrap();
    assert_eq!(replica(&told)["state"], "starting", "{told}");
    assert!(message.contains("is asked on 8000") && message.contains("a `command` with `{port}`"), "{message}");
    let plan = server.cli(&["model", "plan", "m", "--json"]);
    assert!(plan.ok().contains("it listens on port 9100"), "{}", plan.stdout);
}
