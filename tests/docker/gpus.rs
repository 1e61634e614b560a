use serde_json::{Value, json};
use support::Scene;
use support::docker::Proxy;

use super::{ask, containers, daemon, document, idle_with, model};

fn on(name: &str, gpus: &Value) -> Value {
    model(name, "chat", &json!({"gpus": gpus}))
}

/// GPUs and size of tensor parallelism of the container that was asked for last of this model.
fn placed(proxy: &Proxy, name: &str) -> (Value, Option<String>) {
    let created = proxy.created();
    let asked = created.iter().rev().find(|asked| asked["Labels"]["model-name"] == name).unwrap();
    let [request] = asked["HostConfig"]["DeviceRequests"].as_array().unwrap().as_slice() else { panic!("{asked}") };
    assert_eq!(request["Capabilities"], json!([["gpu"]]));
    let words: Vec<_> = asked["Cmd"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let parallel = words.iter().position(|word| *word == "--tensor-parallel-size").map(|at| words[at + 1].to_owned());
    (request["DeviceIDs"].clone(), parallel)
}

/// One large model on all three GPUs, or two smaller ones that share them out: whichever is wanted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_model_on_three_gpus_and_two_on_the_same_take_turns() {
    let Some(daemon) = daemon().await else { return };
    // There are no GPUs: what is asked for is seen, and the daemon is not asked for it.
    let proxy = Proxy::before(&daemon);
    let scene = Scene::mixed();
    let server = idle_with(&proxy.host(), &scene).await;
    let uuids = |indices: &[usize]| indices.iter().map(|&index| scene.devices[index].uuid.clone()).collect::<Vec<_>>();
    let (three, two) = (Some("3".to_owned()), Some("2".to_owned()));
    for _ in 0..2 {
        server.apply(&document(&[on("gpt-120b", &json!([0, 1, 2]))]));
        assert_eq!(placed(&proxy, "gpt-120b"), (json!(uuids(&[0, 1, 2])), three.clone()));
        assert_eq!(ask(&server, "gpt-120b").await, 200);

        server.apply(&document(&[on("gpt-20b", &json!([0])), on("qwen-30b", &json!([1, 2]))]));
        assert_eq!(placed(&proxy, "gpt-20b"), (json!(uuids(&[0])), None));
        assert_eq!(placed(&proxy, "qwen-30b"), (json!(uuids(&[1, 2])), two.clone()));
        assert_eq!((ask(&server, "gpt-20b").await, ask(&server, "qwen-30b").await), (200, 200));
        support::until("the large one to be gone", || containers(&daemon, "gpt-120b").is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_out_gpus_and_slices_and_all_means_all() {
    let Some(daemon) = daemon().await else { return };
    let proxy = Proxy::before(&daemon);
    let mut scene = Scene::mig();
    // One GPU in three slices, and two whole ones.
    scene.devices.push(Scene::mixed().devices.pop().unwrap());
    let server = idle_with(&proxy.host(), &scene).await;
    let slices: Vec<_> = scene.devices[0].slices.iter().map(|slice| slice.uuid.as_str()).collect();
    let share = |gpus: Value| json!({"gpus": gpus, "replicas": 2, "gpu_memory_utilization": 0.4});
    let all = model("all", "chat", &json!({"gpus": ["all"], "gpu_memory_utilization": 0.4}));
    let models = [
        model("whole", "chat", &share(json!([1, 2]))),
        model("slices", "chat", &share(json!([slices[0], slices[2]]))),
        all,
    ];
    server.apply(&document(&models));
    let mut asked: Vec<_> = proxy
        .created()
        .iter()
        .map(|asked| {
            (asked["Labels"]["model-name"].to_string(), asked["HostConfig"]["DeviceRequests"][0]["DeviceIDs"].clone())
        })
        .collect();
    asked.sort_by_key(|(name, ids)| (name.clone(), ids.to_string()));
    let (one, two) = (&scene.devices[1].uuid, &scene.devices[2].uuid);
    let expected = [
        ("\"all\"", json!([one, two])),
        ("\"slices\"", json!([slices[0]])),
        ("\"slices\"", json!([slices[2]])),
        ("\"whole\"", json!([one])),
        ("\"whole\"", json!([two])),
    ];
    assert_eq!(asked, expected.map(|(name, ids)| (name.to_owned(), ids)));
    assert_eq!(placed(&proxy, "all").1, Some("2".to_owned()), "all of them work together");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_get_the_share_of_machines_with_unified_memory() {
    let Some(daemon) = daemon().await else { return };
    let proxy = Proxy::before(&daemon);
    let server = idle_with(&proxy.host(), &Scene::gb10()).await;
    let mut state = document(&[on("usual", &json!([0]))]);
    // Of the memory of this machine, in truth: little enough to be free.
    state["defaults"]["unified_memory"] = json!({"gpu_memory_utilization": 0.01, "args": ["--max-num-seqs", "8"]});
    server.apply(&state);
    let created = proxy.created();
    let words: Vec<_> = created[0]["Cmd"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(words[1..5], ["--gpu-memory-utilization", "0.01", "--max-num-seqs", "8"], "{words:?}");
    let plan = server.cli(&["model", "plan", "usual", "--json"]).json()[0]["replicas"][0]["wanted"]["args"].clone();
    assert_eq!(created[0]["Cmd"], plan, "as the plan says");
    assert_eq!(created[0]["Labels"]["enginehouse-gpus"], json!(Scene::gb10().devices[0].uuid));
}
