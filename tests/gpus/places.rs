use super::{Program, Scene, document, eventually, fs, gpus, json, model, on, replica};

/// A variable of a process, as the kernel knows it.
fn variable(pid: &serde_json::Value, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let mut entries = environment.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    entries.find_map(|entry| Some(entry.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_sees_its_gpus_by_uuid() {
    let scene = Scene::mig();
    let (program, server) = on(&scene).await;
    let (whole, slice) = (&scene.devices[1].uuid, &scene.devices[0].slices[1].uuid);
    server.apply(&document::of(&[
        model(&program, "whole", &json!([1]), &json!({})),
        model(&program, "slice", &json!([slice]), &json!({"gpu_memory_utilization": 0.5})),
        model(&program, "cpu", &json!([]), &json!({})),
    ]));
    for (name, expected) in [("whole", Some(whole.clone())), ("slice", Some(slice.clone())), ("cpu", None)] {
        assert_eq!(variable(&replica(&server, name)["pid"], "CUDA_VISIBLE_DEVICES"), expected, "{name}");
    }
    let placement = &replica(&server, "slice")["placement"];
    assert_eq!(placement["gpus"][0]["name"], "NVIDIA A100-SXM4-40GB 2g.10gb");
    assert_eq!(placement["gpus"][0]["total_bytes"], 9_856_u64 << 20);
    assert_eq!((&placement["gpu_memory_utilization"], &placement["origin"]), (&json!(0.5), &json!("document")));
    let shown = server.cli(&["model", "show", "slice"]).stderr;
    assert!(
        shown.contains(&format!("on GPU 0 (NVIDIA A100-SXM4-40GB 2g.10gb, {slice}), gpu_memory_utilization 0.5")),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gpus_that_an_engine_got_are_told_from_its_record() {
    let mut scene = Scene::h100x8();
    let (program, mut server) = on(&scene).await;
    server.apply(&document::of(&[model(&program, "m", &json!([2]), &json!({"gpu_memory_utilization": 0.5}))]));
    let got = scene.devices[2].uuid.clone();
    // Numbers change with the machine: what is number 2 now is another one.
    scene.devices.swap(2, 6);
    server.play(&scene);
    let found = gpus(&server);
    assert_eq!(found["gpus"][6]["uuid"], json!(got));
    let is_told = |server: &super::Server, when: &str| {
        let placement = replica(server, "m")["placement"].clone();
        assert_eq!((&placement["gpus"][0]["uuid"], &placement["gpus"][0]["index"]), (&json!(got), &json!(2)), "{when}");
    };
    is_told(&server, "as it was written down");
    assert_eq!(gpus(&server)["gpus"][6]["replicas"][0]["model"], "m", "it is listed where it is");
    server.kill();
    server.restart().await;
    super::until_says(&server, "m", "ready", "").await;
    is_told(&server, "by the next manager");
    let plan = server.cli(&["model", "plan", "m", "--json"]).json()[0]["replicas"][0].clone();
    assert_eq!(plan["observed"]["gpus"], json!([got]), "{plan}");

    // What is called otherwise is the same: no room for two, and no engine is put beside it.
    let renamed = model(&program, "m", &json!([got]), &json!({"gpu_memory_utilization": 0.5}));
    let planned = super::Finished::of(
        &mut server.command(&["apply", "-f", "-", "--dry-run"]),
        Some(&document::of(&[renamed]).to_string()),
    );
    assert!(planned.ok().contains("restart"), "{}", planned.stdout);
    let shown = server.cli(&["model", "show", "m", "--json"]).json();
    let resources = &shown["deployments"][0]["replicas"][0]["resources"];
    assert!(resources["memory_bytes_used"].as_u64() > Some(0) && resources["cpus_used"].is_number(), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_gpus_are_shared_out_among_replicas() {
    let scene = Scene::h100x8();
    let (program, server) = on(&scene).await;
    server.apply(&document::of(&[model(&program, "m", &json!(["all"]), &json!({"replicas": 2}))]));
    let shown = server.cli(&["model", "show", "m", "--json"]).json();
    let uuids: Vec<_> = scene.devices.iter().map(|device| device.uuid.as_str()).collect();
    for (number, half) in uuids.chunks(4).enumerate() {
        let pid = &shown["deployments"][0]["replicas"][number]["pid"];
        assert_eq!(variable(pid, "CUDA_VISIBLE_DEVICES"), Some(half.join(",")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gpus_are_listed_with_the_engines_on_them() {
    let scene = Scene::h100x8();
    let (program, server) = on(&scene).await;
    server.apply(&document::of(&[model(&program, "tiny", &json!([3]), &json!({"gpu_memory_utilization": 0.4}))]));
    let found = gpus(&server);
    assert_eq!(
        (&found["source"], &found["driver"], &found["cuda"]),
        (&json!("nvml"), &json!("570.86.15"), &json!("12.8"))
    );
    assert_eq!(found["gpus"].as_array().unwrap().len(), 8);
    let gpu = &found["gpus"][3];
    assert_eq!((&gpu["uuid"], &gpu["memory"]["total_bytes"]), (&json!(scene.devices[3].uuid), &json!(80_u64 << 30)));
    assert_eq!((&gpu["nvswitch"], &gpu["nvlink_peers"]), (&json!(true), &json!([0, 1, 2, 4, 5, 6, 7])));
    let tenant = json!([{"model": "tiny", "replica": "d-tiny/0", "state": "ready", "gpu_memory_utilization": 0.4}]);
    assert_eq!((&gpu["replicas"], &found["gpus"][4]["replicas"]), (&tenant, &json!([])));
    let listed = server.cli(&["gpu", "list"]);
    assert!(listed.ok().contains("tiny 0.4 (ready)") && listed.stdout.contains("NVSwitch"), "{}", listed.stdout);
    assert!(listed.stderr.contains("Told by NVML, driver 570.86.15, CUDA 12.8"), "{}", listed.stderr);
    server.admin().get("/api/v1/gpus").await.expect(200);
    let doctor = server.cli(&["doctor"]).stdout;
    assert!(
        doctor.contains("no NVIDIA GPU") || doctor.contains("NVIDIA driver"),
        "of the machine that it runs on: {doctor}"
    );
}

#[test]
fn gpus_are_listed_where_nothing_runs() {
    let program = support::enginehouse!();
    let folder = tempfile::tempdir().unwrap();
    let list = |scene: &Scene, arguments: &[&str]| {
        let installed = nvml_sim::install(folder.path(), scene);
        let mut command = program.command();
        command.env("ENGINEHOUSE_NVML", installed.library()).env("ENGINEHOUSE_NVIDIA_SMI", "");
        command.arg("--home").arg(folder.path().join("home")).args(arguments);
        support::Finished::of(&mut command, None)
    };
    let found = list(&Scene::mig(), &["gpu", "list", "--json"]).json();
    assert_eq!((&found["gpus"][0]["mig"], &found["gpus"][1]["mig"]), (&json!(true), &json!(false)));
    assert_eq!(found["gpus"][0]["slices"][2]["profile"], "1g.5gb");
    assert!(found["read_at"].as_str().unwrap().ends_with('Z'), "{found}");
    let table = list(&Scene::mig(), &["gpu", "list"]);
    assert!(table.ok().contains("slice 3g.20gb"), "{}", table.stdout);
    let none = list(&Scene::none(), &["gpu", "list"]);
    none.ok();
    assert!(none.stderr.contains("No NVIDIA GPU is found"), "{}", none.stderr);
    let doctor = list(&Scene::mixed(), &["doctor"]).stdout;
    let expected = "2 x NVIDIA A100-SXM4-40GB, 1 x NVIDIA H100 PCIe; NVIDIA driver 570.86.15, told by nvml";
    assert!(doctor.contains(expected), "{doctor}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_with_unified_memory_has_defaults_of_its_own() {
    let (_, server) = on(&Scene::gb10()).await;
    let model = |name: &str, more: serde_json::Value| {
        let mut engine = json!({"source": "Org/M", "gpus": [0]});
        engine.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"name": name, "type": "chat", "deployments": [{"id": format!("d-{name}"), "engine": engine}]})
    };
    super::apply(&server, &document::of(&[model("m", json!({}))])).ok();
    let placement = eventually("its placement", || {
        let placement = replica(&server, "m")["placement"].clone();
        std::future::ready(placement.is_object().then_some(placement))
    })
    .await;
    assert_eq!((&placement["gpu_memory_utilization"], &placement["origin"]), (&json!(0.85), &json!("unified-memory")));
    assert_eq!(placement["gpus"][0]["unified"], true);
    let plan = server.cli(&["model", "plan", "m", "--json"]).json()[0]["replicas"][0]["wanted"].clone();
    let line = plan["args"].as_array().unwrap().iter().filter_map(|word| word.as_str()).collect::<Vec<_>>().join(" ");
    assert!(line.starts_with("Org/M --gpu-memory-utilization 0.85 "), "what its container would get: {line}");
    let memory = &gpus(&server)["gpus"][0]["memory"];
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
    let total: u64 = total.trim().trim_end_matches(" kB").parse().unwrap();
    assert_eq!((&memory["unified"], &memory["total_bytes"]), (&json!(true), &json!(total << 10)));
    let shown = server.cli(&["model", "show", "m"]).stderr;
    assert!(shown.contains("0.85, the default where GPU and machine share memory"), "{shown}");
}

#[test]
fn the_stand_in_is_loaded_and_nothing_else() {
    // Names a library that is there and no NVML: an answer all the same.
    let program: Program = support::enginehouse!();
    let mut command = program.command();
    command.env("ENGINEHOUSE_NVML", "libc.so.6").env("ENGINEHOUSE_NVIDIA_SMI", "/bin/false");
    let listed = support::Finished::of(command.args(["gpu", "list", "--json"]), None).json();
    assert_eq!(listed["source"], "none");
    assert_eq!(listed["notes"].as_array().unwrap().len(), 2, "{listed}");
}
