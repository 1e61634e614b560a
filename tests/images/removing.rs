use super::*;

/// As the image of the tests, under a name and an id of its own.
const ENGINE: &str = r#"["/enginehouse", "engine-sim", "--vllm"]"#;

fn is_here(daemon: &Daemon, image: &str) -> bool {
    daemon.docker(&["image", "inspect", image]).status.success()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_removed_unless_something_needs_it() {
    let Some(daemon) = daemon().await else { return };
    let server = server(&daemon).await;
    for name in ["own:1", "theirs:1", "free:1"] {
        daemon.make_starting(name, ENGINE);
    }
    let recipes = json!([{"name": "audio", "base": TOOLS, "apt": ["ffmpeg"]}]);
    apply(&server, &document(&json!({"image": "own:1"}), &recipes)).ok();
    until_ready(&server).await;
    daemon.docker(&["run", "--detach", "--network=none", "--name", "foreign", "theirs:1"]).ok();

    let refused = |arguments: &[&str], words: &[&str]| {
        let removed = server.cli(&[&["image", "rm"], arguments].concat());
        let said = removed.fails_with(1);
        assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
    };
    let ours = ["engines of the model m run in it", "the container enginehouse-d-0 is made of it", "`--force`"];
    refused(&["own:1"], &ours);
    refused(&[TOOLS], &["the recipe audio starts from it"]);
    let foreign = ["the container foreign is made of it", "not managed by this Enginehouse"];
    refused(&["theirs:1"], &foreign);
    refused(&["theirs:1", "--force"], &foreign);
    refused(&["absent:1"], &["no image absent:1 is here"]);
    refused(&["not an image"], &["give the name of an image with its tag"]);
    for image in ["own:1", TOOLS, "theirs:1"] {
        assert!(is_here(&daemon, image), "{image}");
    }

    let removed = server.cli(&["image", "rm", "free:1", "--json"]).json();
    assert_eq!(removed["removed"], json!(["free:1"]));
    assert!(removed["bytes"].as_u64() > Some(0), "{removed}");
    assert!(!is_here(&daemon, "free:1"));
    let forced = server.cli(&["image", "rm", "own:1", "--force"]);
    forced.ok();
    assert!(forced.stderr.contains("own:1 removed; what it is stays while"), "{}", forced.stderr);
    assert!(!is_here(&daemon, "own:1"));
    assert_eq!(status(&server)["state"], "ready", "what runs in it goes on");
    let path = "/api/v1/images/own:1?force=maybe";
    server.admin().send(http::Method::DELETE, path, "").await.expect(400);
}
