//! Real processes under the whole reconciler.

use std::time::Duration;

use serde_json::{Value, json};
use snapshot::Address;

use super::record;
use crate::testing::TestApp;
use crate::testing::engine::{Behaviour, document};

fn is(state: &str) -> impl Fn(&Value) -> bool {
    move |replica| replica["state"] == state
}

fn alive(pid: &Value) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn addresses(app: &TestApp) -> Vec<Address> {
    let snapshot = app.snapshot();
    let replicas = snapshot.models.iter().flat_map(|m| &m.deployments).flat_map(|d| &d.replicas);
    replicas.map(|replica| replica.address.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_is_started_published_and_stopped() {
    let app = TestApp::on_new_home().run().await;
    let applied = app.apply(&document(Behaviour::Healthy, "")).await;
    assert_eq!(applied["plan"][0]["action"], "start");
    let job = app.ended(&applied["job"]).await;
    assert_eq!((&job["state"], &job["models"][0]["state"]), (&json!("succeeded"), &json!("ready")));
    let replica = app.replica(is("ready")).await;
    let address = replica["address"].as_str().unwrap().to_owned();
    app.until(async || (addresses(&app) == [Address::Http(address.clone())]).then_some(())).await;

    app.apply("version: 1").await;
    app.until(async || (!alive(&replica["pid"])).then_some(())).await;
    assert_eq!(addresses(&app), []);
    app.until(async || app.manager.config().home.records().unwrap().is_empty().then_some(())).await;
    app.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_is_told_to_be_ready_once_the_gateway_has_it() {
    let app = TestApp::on_new_home().stuck_gateway().run().await;
    let applied = app.apply(&document(Behaviour::Healthy, "")).await;
    let healthy = |replica: &Value| replica["message"].as_str().is_some_and(|message| message.starts_with("healthy;"));
    let waiting = app.replica(healthy).await;
    assert_eq!(waiting["state"], "warming");
    let model = app.owner().get("/api/v1/models/m").await.ok();
    assert_eq!((&model["state"], &model["ready"]), (&json!("starting"), &json!(0)));
    let job = app.owner().get(&format!("/api/v1/jobs/{}", applied["job"].as_str().unwrap())).await.ok();
    assert_eq!(job["state"], "running", "whoever waits for it goes on waiting");
    assert_eq!(addresses(&app), []);

    app.release_gateway();
    app.replica(is("ready")).await;
    assert_eq!(addresses(&app).len(), 1, "not a moment later");
    app.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_hangs_does_not_hide_for_ever_that_an_engine_is_ready() {
    let app = TestApp::on_new_home().stuck_gateway().run().await;
    app.apply(&document(Behaviour::Healthy, "")).await;
    app.replica(is("ready")).await;
    assert_eq!(addresses(&app), []);
    app.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_loop_backs_off_with_its_reason() {
    let app = TestApp::on_new_home().run().await;
    app.apply(&document(Behaviour::Crashing, "")).await;
    let replica = app.replica(|replica| replica["state"] == "backing_off" && replica["restarts"] == 2).await;
    let message = replica["message"].as_str().unwrap();
    assert!(message.starts_with("ended (exit code 3): the engine gives up (log: "), "{message}");
    assert_eq!(addresses(&app), []);
    app.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_dies_is_started_again() {
    let app = TestApp::on_new_home().run().await;
    app.apply(&document(Behaviour::Healthy, "")).await;
    let first = app.replica(is("ready")).await;
    kill(&first["pid"]);
    let second = app.replica(|replica| replica["state"] == "ready" && replica["pid"] != first["pid"]).await;
    assert_eq!(second["restarts"], 1);
    app.end(true).await;
    assert!(!alive(&second["pid"]), "stopped with the manager");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_are_adopted_by_the_next_manager_and_orphans_stopped() {
    let app = TestApp::on_new_home().run().await;
    app.apply(&document(Behaviour::Healthy, "")).await;
    let before = app.replica(is("ready")).await;
    let app = app.end(false).await.run().await;
    assert!(alive(&before["pid"]), "engines outlive the manager");
    let after = app.replica(is("ready")).await;
    assert_eq!((&after["pid"], &after["address"]), (&before["pid"], &before["address"]));
    app.until(async || (addresses(&app).len() == 1).then_some(())).await;

    // A document that a one-shot command applies while nothing runs.
    let app = app.end(false).await.open().await;
    assert_eq!(app.apply("version: 1").await["job"], Value::Null, "nothing runs that could be verified");
    let app = app.end(false).await.run().await;
    app.until(async || (!alive(&after["pid"])).then_some(())).await;
    app.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_definition_replaces_the_engine() {
    let app = TestApp::on_new_home().run().await;
    app.apply(&document(Behaviour::Healthy, "")).await;
    let before = app.replica(is("ready")).await;
    let changed = app.apply(&document(Behaviour::Healthy, "env: {A: b}")).await;
    assert_eq!((&changed["plan"][0]["action"], &changed["plan"][0]["interrupts"]), (&json!("replace"), &json!(false)));
    let job = app.ended(&changed["job"]).await;
    assert_eq!(job["state"], "succeeded");
    let after = app.replica(is("ready")).await;
    assert_ne!(before["pid"], after["pid"]);
    app.until(async || (!alive(&before["pid"])).then_some(())).await;

    let hot = app
        .apply(
            &document(Behaviour::Healthy, "env: {A: b}\n      price: {input: 1}").replace("      price", "    price"),
        )
        .await;
    assert_eq!((&hot["plan"][0]["action"], &hot["plan"][0]["interrupts"]), (&json!("hot"), &json!(false)));
    app.until(async || (app.snapshot().models[0].price.input > 0).then_some(())).await;
    assert_eq!(app.replica(is("ready")).await["pid"], after["pid"], "a price touches no engine");
    app.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_without_its_variable_fails_and_is_named() {
    let app = TestApp::on_new_home().run().await;
    let applied = app.apply(&document(Behaviour::Healthy, "env: {T: os.environ/UNSET}")).await;
    let warning = applied["warnings"][0]["message"].as_str().unwrap();
    assert!(warning.contains("UNSET is not set"), "{warning}");
    let replica = app.replica(is("failed")).await;
    assert_eq!(replica["message"], "the environment variable UNSET is not set");
    let app = app.end(true).await.variable("UNSET", "x").run().await;
    app.replica(is("ready")).await;
    app.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_store_keeps_no_engine_from_being_supervised() {
    let app = TestApp::on_new_home().run().await;
    app.apply(&document(Behaviour::Healthy, "")).await;
    let first = app.replica(is("ready")).await;
    let aside = app.path("aside");
    std::fs::rename(app.path("enginehouse.db"), &aside).unwrap();
    let mut health = app.manager.store_health();
    tokio::time::timeout(Duration::from_secs(60), health.wait_for(|health| !health.is_well())).await.unwrap().unwrap();
    kill(&first["pid"]);
    let second = app.replica(|replica| replica["state"] == "ready" && replica["pid"] != first["pid"]).await;
    app.until(async || (addresses(&app).len() == 1).then_some(())).await;
    std::fs::rename(&aside, app.path("enginehouse.db")).unwrap();
    tokio::time::timeout(Duration::from_secs(60), health.wait_for(crate::StoreHealth::is_well)).await.unwrap().unwrap();
    assert_eq!(json!(engines(&app)), json!([second["pid"]]));
    app.end(true).await;
}

/// Pids of the engines of the app's home.
fn engines(app: &TestApp) -> Vec<u32> {
    let prefix = record::tag_prefix(&app.manager.config().home).unwrap();
    runtime::process::tagged(&prefix).unwrap().into_iter().map(|process| process.pid).collect()
}

fn kill(pid: &Value) {
    let pid = i32::try_from(pid.as_i64().unwrap()).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_started_while_the_store_is_away_is_adopted_after_a_crash() {
    let app = TestApp::on_new_home().run().await;
    let applied = app.apply(&document(Behaviour::Healthy, "")).await;
    app.ended(&applied["job"]).await;
    let first = app.replica(is("ready")).await;
    std::fs::rename(app.path("enginehouse.db"), app.path("aside")).unwrap();
    kill(&first["pid"]);
    let second = app.replica(|replica| replica["state"] == "ready" && replica["pid"] != first["pid"]).await;
    let builder = app.crash().await;
    std::fs::rename(builder.path().join("aside"), builder.path().join("enginehouse.db")).unwrap();
    let app = builder.run().await;
    let third = app.replica(is("ready")).await;
    assert_eq!(third["pid"], second["pid"], "adopted");
    assert_eq!(json!(engines(&app)), json!([second["pid"]]), "and the only one");
    app.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_no_record_leads_to_is_stopped_before_another_is_started() {
    let app = TestApp::on_new_home().run().await;
    let applied = app.apply(&document(Behaviour::Healthy, "")).await;
    app.ended(&applied["job"]).await;
    let lost = app.replica(is("ready")).await;
    let home = app.manager.config().home.clone();
    let intent = record::Record { handle: None, ..home.records().unwrap().remove(0) };
    let builder = app.crash().await;
    intent.write(&home).await.unwrap();
    let app = builder.run().await;
    let replica = app.replica(is("ready")).await;
    assert_ne!(replica["pid"], lost["pid"]);
    assert_eq!(json!(engines(&app)), json!([replica["pid"]]), "the lost one was stopped");
    app.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_holds_up_no_pass() {
    let app = TestApp::on_new_home().run().await;
    app.apply(&document(Behaviour::Healthy, "")).await;
    let first = app.replica(is("ready")).await;
    // As if so many disks did not answer.
    let places = app.manager.inner().looks.acquire_many(super::look::AT_ONCE.try_into().unwrap()).await.unwrap();
    kill(&first["pid"]);
    let waits =
        |replica: &Value| replica["message"].as_str().is_some_and(|message| message.contains("their disk is slow"));
    let waiting = app.replica(waits).await;
    assert_eq!((&waiting["state"], &waiting["pid"]), (&json!("pending"), &Value::Null));
    // The next pass gives it up, and the one after that starts another.
    app.apply("version: 1").await;
    app.until(async || app.manager.inner().fleet.views().is_empty().then_some(())).await;
    drop(places);
    app.apply(&document(Behaviour::Healthy, "")).await;
    app.replica(is("ready")).await;
    app.end(true).await;
}

/// A program that tells of one GPU of 40 GiB, of which 1 GiB is free, and counts how often it was asked.
fn nvidia_smi(folder: &std::path::Path) -> (String, std::path::PathBuf) {
    let (script, asked) = (folder.join("nvidia-smi"), folder.join("asked"));
    let text = format!(
        "#!/bin/sh\ncase \"$1\" in --query-gpu=*) echo x >> {}; \
         echo '0, GPU-of-the-test, NVIDIA A100, 40960, 39936, 1024, 00000000:01:00.0, [N/A], 570.86.15';; esac\n",
        asked.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    (script.display().to_string(), asked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_of_a_gpu_is_waited_for_two_minutes_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let (program, asked) = nvidia_smi(folder.path());
    let (clock, hand) = ambient::Clock::manual(ambient::Timestamp::from_micros(1_795_188_362_000_000));
    let app = TestApp::on_new_home().clock(clock).variable("ENGINEHOUSE_NVML", "");
    let app = app.variable("ENGINEHOUSE_NVIDIA_SMI", &program).run().await;
    app.apply(&document(Behaviour::Healthy, "gpus: [0]\n          gpu_memory_utilization: 0.5")).await;
    let looks = || std::fs::read_to_string(&asked).map_or(0, |text| text.lines().count());
    let short =
        |replica: &Value| replica["message"].as_str().is_some_and(|m| m.starts_with("waits for memory on GPU 0"));
    app.replica(short).await;
    hand.advance(Duration::from_secs(119));
    let before = looks();
    // Each pass that finds it short asks anew: by the third, one has seen the new time.
    app.until(async || (looks() >= before + 3).then_some(())).await;
    assert_eq!(app.replica(short).await["state"], "pending");
    hand.advance(Duration::from_secs(2));
    let failed = app.replica(is("backing_off")).await;
    let message = failed["message"].as_str().unwrap();
    assert!(message.contains("1.0 of 20.0 GiB are free") && message.contains("for 120 s"), "{message}");
    app.end(true).await;
}
