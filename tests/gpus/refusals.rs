use super::{Finished, Scene, apply, document, json, model, on, replica, until_says};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_refused_with_what_is() {
    let (program, server) = on(&Scene::mig()).await;
    for (gpus, more, path, text) in [
        (
            json!([1, 9]),
            json!({}),
            "gpus[1]",
            "gpus names `9`, which this machine does not have; there are 0 (GPU-0a000000-",
        ),
        (json!(["GPU-deadbeef"]), json!({}), "gpus[0]", "gpus names `GPU-deadbeef`"),
        (json!(["MIG-deadbeef"]), json!({}), "gpus[0]", "cut into 3g.20gb MIG-00000001-"),
        (json!([0]), json!({}), "gpus[0]", "GPU 0 is cut into slices (MIG); name one of them: MIG-00000001-"),
        (json!([0, 1, 1]), json!({"replicas": 2}), "gpus", "gpus names 3, which is not divisible by replicas (2)"),
        (json!(["all"]), json!({"replicas": 2}), "gpus", "1 GPUs here and not divisible by replicas (2)"),
    ] {
        let refused = apply(&server, &document::of(&[model(&program, "m", &gpus, &more)]));
        let shown = refused.fails_with(1);
        assert!(
            shown.contains(&format!("models[0].deployments[0].engine.{path}: ")) && shown.contains(text),
            "{shown}"
        );
    }
    assert_eq!(server.cli(&["model", "list", "--json"]).json(), json!([]), "nothing was applied");
    let text = model(&program, "m", &json!([9]), &json!({})).to_string();
    let staged = Finished::of(&mut server.command(&["config", "stage", "model/m", "-f", "-"]), Some(&text));
    let shown = staged.fails_with(1);
    assert!(shown.contains("deployments[0].engine.gpus[0]: gpus names `9`"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gpu_that_is_full_takes_no_more() {
    let (program, server) = on(&Scene::mixed()).await;
    let one = model(&program, "one", &json!([0]), &json!({"gpu_memory_utilization": 0.6}));
    let two = model(&program, "two", &json!([0]), &json!({"gpu_memory_utilization": 0.6}));
    let both = document::of(&[one.clone(), two.clone()]);
    let refused = apply(&server, &both);
    let shown = refused.fails_with(1);
    let expected =
        "models[1].deployments[0].engine.gpus: GPU 0 would be booked beyond its memory (one 0.6 + two 0.6 = 1.2)";
    assert!(shown.contains(expected), "{shown}");
    server.apply(&document::of(std::slice::from_ref(&one)));
    server.cli(&["model", "stop", "one"]).ok();
    // Among those that are meant to run there is room.
    let applied = apply(&server, &both);
    applied.ok();
    until_says(&server, "two", "ready", "").await;
    let started = server.cli(&["model", "start", "one"]);
    assert!(started.fails_with(1).contains("GPU 0 would be booked beyond its memory"), "{}", started.stderr);
    assert_eq!(replica(&server, "one")["state"], "stopped");
    // The same with a warning, where that is wanted.
    let mut lax = both.clone();
    lax["defaults"] = json!({"placement": {"double_booking": "warn"}});
    apply(&server, &lax).ok();
    server.cli(&["model", "start", "one"]).ok();
    until_says(&server, "one", "ready", "").await;
    lax["models"][0]["price"]["input"] = 7.into();
    let applied = apply(&server, &lax);
    applied.ok();
    assert!(format!("{}{}", applied.stdout, applied.stderr).contains("would be booked beyond"), "{applied:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_gpu_a_document_is_applied_and_its_engine_fails() {
    let (program, server) = on(&Scene::none()).await;
    let applied = apply(&server, &document::of(&[model(&program, "m", &json!([0]), &json!({}))]));
    applied.ok();
    let text = "no GPU is found on this machine";
    assert!(format!("{}{}", applied.stdout, applied.stderr).contains(text), "a warning: {applied:?}");
    until_says(&server, "m", "failed", text).await;
    server.play(&Scene::mixed());
    // Whoever looks for GPUs makes them known.
    server.cli(&["gpu", "list"]).ok();
    until_says(&server, "m", "ready", "").await;
}
