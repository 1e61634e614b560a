use super::{Scene, apply, document, endless, json, model, on, until_says};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_engine_at_a_time_starts_on_a_gpu() {
    let (program, server) = on(&Scene::mixed()).await;
    let share = json!({"gpu_memory_utilization": 0.3});
    apply(
        &server,
        &document::of(&[
            endless(&program, "first", &json!([0, 1]), &share),
            model(&program, "second", &json!([1]), &share),
            model(&program, "elsewhere", &json!([2]), &share),
        ]),
    )
    .ok();
    until_says(&server, "second", "pending", "waits for first on GPU 1").await;
    let plan = server.cli(&["model", "plan", "second", "--json"]).json()[0]["replicas"][0].clone();
    assert_eq!((&plan["action"], &plan["why"]), (&json!("wait"), &json!("waits for first on GPU 1")), "{plan}");
    until_says(&server, "elsewhere", "ready", "").await;
    assert_eq!(super::replica(&server, "second")["pid"], json!(null), "it was not started");
    server.cli(&["model", "stop", "first"]).ok();
    until_says(&server, "second", "ready", "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_until_memory_is_really_free() {
    let mut scene = Scene::mixed();
    scene.devices[0].used = 30 << 30;
    scene.devices[0].processes = vec![(4711, 30 << 30)];
    let (program, server) = on(&scene).await;
    apply(&server, &document::of(&[model(&program, "m", &json!([0]), &json!({"gpu_memory_utilization": 0.5}))])).ok();
    let said = until_says(&server, "m", "pending", "waits for memory on GPU 0").await;
    assert!(said.contains("10.0 of 20.0 GiB are free (pid 4711 has 30.0 GiB)"), "{said}");
    let plan = server.cli(&["model", "plan", "m"]);
    assert!(plan.ok().contains("wait") && plan.stderr.contains("waits for memory on GPU 0"), "{plan:?}");
    server.play(&Scene::mixed());
    until_says(&server, "m", "ready", "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_share_a_gpu_within_its_memory() {
    let (program, server) = on(&Scene::mixed()).await;
    let half = json!({"gpu_memory_utilization": 0.45});
    server.apply(&document::of(&[
        model(&program, "one", &json!([0]), &half),
        model(&program, "two", &json!([0]), &half),
    ]));
    let replicas = super::gpus(&server)["gpus"][0]["replicas"].clone();
    assert_eq!(replicas.as_array().unwrap().len(), 2, "{replicas}");
}
