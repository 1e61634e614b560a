use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipe_is_built_once_and_engines_run_in_it() {
    let Some(daemon) = daemon().await else { return };
    let server = server(&daemon).await;
    let engine = json!({"recipe": "audio", "replicas": 3});
    let recipe = |pip: &[&str]| json!([{"name": "audio", "base": TOOLS, "apt": ["ffmpeg"], "pip": pip}]);
    apply(&server, &document(&engine, &recipe(&["soundfile==0.13.1", "librosa==0.10.2"]))).ok();
    until_ready(&server).await;
    let built = daemon.recipe_images();
    assert_eq!(built.len(), 1, "{built:?}");
    assert!(built[0].starts_with("enginehouse/recipe-audio:"), "{built:?}");
    let tasks = server.admin().get("/api/v1/images/tasks").await;
    assert_eq!(tasks.json().as_array().unwrap().len(), 1, "one build for three replicas");
    let container = || daemon.containers("label=model-name=m");
    assert_eq!(daemon.installed(&container()[0]), ["ffmpeg", "librosa==0.10.2", "soundfile==0.13.1"]);

    // What is built is not built again, by whomever.
    let id = daemon.inspect(&built[0])["Id"].clone();
    let again = server.cli(&["image", "build", "audio", "--json"]).json();
    assert_eq!((&again["image"], &again["id"]), (&json!(built[0]), &id));
    let before = container();
    apply(&server, &document(&engine, &recipe(&["librosa==0.10.2", "soundfile==0.13.1"]))).ok();
    let listed = row(&server, &built[0]).unwrap();
    assert_eq!((&listed["used_by"], &listed["recipe"]), (&json!(["m"]), &json!("audio")));
    assert_eq!((&listed["present"], &listed["outdated"]), (&json!(true), &json!(false)));
    assert_eq!(row(&server, TOOLS).unwrap()["base_of"], json!(["audio"]));
    assert_eq!(container(), before, "the order of packages is no difference");

    // One that changed is built anew.
    apply(&server, &document(&engine, &recipe(&["librosa==0.11.0"]))).ok();
    support::until("other containers", || container().iter().all(|id| !before.contains(id))).await;
    until_ready(&server).await;
    assert_eq!(daemon.installed(&container()[0]), ["ffmpeg", "librosa==0.11.0"]);
    assert_eq!(daemon.recipe_images().len(), 2);
    assert_eq!(row(&server, &built[0]).unwrap()["outdated"], true);
    let table = server.cli(&["image", "list"]);
    assert!(table.ok().contains("outdated") && table.stderr.contains("image prune"), "{}", table.stdout);
    let pruned = server.cli(&["image", "prune", "--json"]).json();
    assert_eq!(pruned["removed"], json!(built));
    assert_eq!(daemon.recipe_images().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_fails_says_at_which_step_and_why() {
    let Some(daemon) = daemon().await else { return };
    let server = server(&daemon).await;
    let recipes = json!([{"name": "audio", "base": TOOLS, "apt": ["ffmpeg"], "pip": ["no-such-thing==1.0"]}]);
    apply(&server, &document(&json!({"recipe": "audio"}), &recipes)).ok();
    let failed = until_status(&server, "failed", |status| status["state"] == "failed").await;
    let message = replica(&failed)["message"].as_str().unwrap();
    assert!(message.contains("recipe-audio") && message.contains("cannot be built: in step 3 of 5 (`RUN"), "{message}");
    let lines = replica(&failed)["last_lines"].to_string();
    assert!(lines.contains("there is no package no-such-thing==1.0"), "{lines}");

    let typed = server.cli(&["image", "build", "audio"]);
    let said = typed.fails_with(1);
    assert!(said.contains("step 3 of 5") && said.contains("| there is no package no-such-thing==1.0"), "{said}");
    let unknown = server.cli(&["image", "build", "video"]);
    assert!(unknown.fails_with(1).contains("there is no recipe called video"), "{}", unknown.stderr);
    assert_eq!(daemon.recipe_images(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_is_killed_midway_leaves_nothing_that_counts() {
    let Some(daemon) = daemon().await else { return };
    let mut server = server(&daemon).await;
    let recipe = |pip: &str| json!([{"name": "audio", "base": TOOLS, "apt": ["ffmpeg"], "pip": [pip]}]);
    let engine = json!({"recipe": "audio"});
    apply(&server, &document(&engine, &recipe("endless==1"))).ok();
    let is_at = |status: &Value| replica(status)["message"].to_string().contains("in step 3 of 5");
    let building = until_status(&server, "building", is_at).await;
    assert_eq!(replica(&building)["state"], "building");
    server.kill();
    // The daemon gives up what nobody waits for.
    support::until("the build to end", || daemon.docker(&["ps", "--quiet"]).ok().trim().is_empty()).await;
    assert_eq!(daemon.recipe_images(), Vec::<String>::new());

    server.restart().await;
    until_status(&server, "building", is_at).await;
    // A recipe that says something else now ends the wait for what it said before.
    apply(&server, &document(&engine, &recipe("librosa==1"))).ok();
    until_ready(&server).await;
    assert_eq!(daemon.installed("enginehouse-d-0"), ["ffmpeg", "librosa==1"]);
    assert_eq!(daemon.recipe_images().len(), 1);
    support::until("the build to end", || daemon.docker(&["ps", "--quiet"]).ok().lines().count() == 1).await;
    let tasks = server.admin().get("/api/v1/images/tasks").await.json();
    let states: Vec<_> = tasks.as_array().unwrap().iter().map(|task| task["state"].clone()).collect();
    assert_eq!(states, ["cancelled", "succeeded"], "nobody needs the first any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_built_starts_without_what_it_was_built_from() {
    let Some(daemon) = daemon().await else { return };
    let server = server(&daemon).await;
    // Nobody answers for it.
    let base = "127.0.0.1:1/tools:1";
    daemon.docker(&["tag", TOOLS, base]).ok();
    let engine = json!({"recipe": "audio"});
    let recipe = |pip: &str| json!([{"name": "audio", "base": base, "apt": ["ffmpeg"], "pip": [pip]}]);
    apply(&server, &document(&engine, &recipe("librosa==1"))).ok();
    until_ready(&server).await;
    let built = daemon.recipe_images();
    server.cli(&["model", "stop", "m"]).ok();
    support::until("no container", || daemon.containers("label=model-name=m").is_empty()).await;
    daemon.docker(&["rmi", base]).ok();

    server.cli(&["model", "start", "m"]).ok();
    until_ready(&server).await;
    assert_eq!(daemon.inspect("enginehouse-d-0")["Config"]["Image"], json!(built[0]));
    assert_eq!(server.cli(&["image", "build", "audio", "--json"]).json()["image"], json!(built[0]));
    let listed = row(&server, &built[0]).unwrap();
    assert_eq!((&listed["used_by"], &listed["outdated"]), (&json!(["m"]), &json!(false)));
    assert_eq!(row(&server, base).unwrap()["present"], false);
    assert_eq!(server.cli(&["image", "prune", "--json"]).json()["removed"], json!([]));
    assert_eq!(daemon.recipe_images(), built, "built once");

    // What says something else needs it.
    apply(&server, &document(&engine, &recipe("librosa==2"))).ok();
    let failed = until_status(&server, "failed", |status| replica(status)["state"] == "backing_off").await;
    let message = replica(&failed)["message"].as_str().unwrap();
    assert!(message.starts_with(&format!("the image {base} is not here and cannot be pulled")), "{message}");
}
