use std::collections::BTreeSet;

use super::{ask, chat, daemon, served};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_models_start_at_once() {
    let Some(daemon) = daemon().await else { return };
    let names: Vec<_> = (0..20).map(|number| format!("m{number}")).collect();
    let server = served(&daemon, &names.iter().map(|name| chat(name)).collect::<Vec<_>>()).await;
    let listed = server.cli(&["model", "list"]);
    assert_eq!(listed.ok().matches("1/1").count(), 20, "{}", listed.stdout);
    let models = server.cli(&["model", "list", "--json"]).json();
    let addresses: BTreeSet<_> =
        models.as_array().unwrap().iter().map(|model| super::replica(model)["address"].to_string()).collect();
    assert_eq!(addresses.len(), 20, "each has its own: {addresses:?}");
    for name in &names {
        assert_eq!(ask(&server, name).await, 200);
    }
    server.cli(&["model", "stop", "--all"]).ok();
    support::until("all to be gone", || daemon.containers("label=managed-by=enginehouse").is_empty()).await;
}
