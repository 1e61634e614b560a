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
    fails(&server, "nothing:1", &["ended (exit code 127)", "not found"]).await;
    fails(&server, "ends:1", &["ended (exit code 0)", "is what it runs an engine?"]).await;
    fails(&server, "other:1", &["not healthy within 5 s", "/v1/models with 401", "is its image an engine"]).await;
}
