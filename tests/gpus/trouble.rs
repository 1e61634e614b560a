use std::os::unix::fs::PermissionsExt as _;

use super::{Scene, ServerOptions, apply, document, fs, gpus, json, model, on, replica, until, until_says};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gpu_that_falls_off_the_bus_is_told_and_takes_no_engine() {
    let (program, server) = on(&Scene::h100x8()).await;
    let tiny = model(&program, "m", &json!([5]), &json!({"gpu_memory_utilization": 0.5}));
    server.apply(&document::of(std::slice::from_ref(&tiny)));
    let mut broken = Scene::h100x8();
    broken.devices[5].lost = true;
    server.play(&broken);
    let found = gpus(&server);
    assert_eq!((found["gpus"].as_array().unwrap().len(), &found["lost"][0]["index"]), (7, &json!(5)));
    assert_eq!(found["lost"][0]["uuid"], json!(broken.devices[5].uuid), "known from before");
    assert_eq!(replica(&server, "m")["state"], "ready", "what runs is left alone");
    let mut dearer = tiny.clone();
    dearer["price"]["input"] = 3.into();
    apply(&server, &document::of(&[dearer])).ok();
    server.cli(&["config", "stage", "model/m", "--set", "price.input=4"]).ok();
    server.cli(&["model", "restart", "m"]).ok();
    until_says(&server, "m", "failed", "GPU 5 does not answer: device fell off the bus").await;
    server.play(&Scene::h100x8());
    gpus(&server);
    until_says(&server, "m", "ready", "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_nvidia_smi_that_hangs_holds_nobody_up() {
    let program = support::enginehouse!();
    let options = ServerOptions::new(&program);
    let script = options.home().parent().unwrap().join("nvidia-smi");
    fs::write(&script, "#!/bin/sh\nsleep 3600\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let options = options.environment("ENGINEHOUSE_NVML", "");
    let server = options.environment("ENGINEHOUSE_NVIDIA_SMI", script.to_str().unwrap()).start().await;
    server.apply(&document::of(&[model(&program, "cpu", &json!([]), &json!({}))]));
    let notes = gpus(&server)["notes"].clone();
    assert!(notes[0].as_str().unwrap().contains("nvidia-smi: it did not end within 8 s"), "{notes}");
    apply(&server, &document::of(&[model(&program, "m", &json!([0]), &json!({}))])).ok();
    until_says(&server, "m", "failed", "no GPU is found on this machine (nvidia-smi: it did not end").await;
    until("the old model to be gone", || server.engine_pids().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nvidia_smi_is_asked_where_the_library_is_missing() {
    let program = support::enginehouse!();
    let options = ServerOptions::new(&program);
    let script = options.home().parent().unwrap().join("nvidia-smi");
    let text = "#!/bin/sh\ncase \"$1\" in --query-gpu=*) echo '0, GPU-from-smi-0, NVIDIA L4, 23034, 0, 23034, 00000000:01:00.0, [N/A], 570.86.15';; esac\n";
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let options = options.environment("ENGINEHOUSE_NVML", "/nowhere/libnvidia-ml.so.1");
    let server = options.environment("ENGINEHOUSE_NVIDIA_SMI", script.to_str().unwrap()).start().await;
    server.apply(&document::of(&[model(&program, "m", &json!([0]), &json!({}))]));
    assert_eq!(replica(&server, "m")["placement"]["gpus"][0]["uuid"], "GPU-from-smi-0");
    let listed = server.cli(&["gpu", "list"]).stderr;
    assert!(
        listed.contains("Told by nvidia-smi, driver 570.86.15") && listed.contains("/nowhere/libnvidia-ml.so.1"),
        "{listed}"
    );
}
