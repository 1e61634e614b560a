use super::{
    apply, ask, chat, containers, daemon, document, replica, served, until_another, until_ready, until_status,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_serve_on_while_the_daemon_is_away() {
    let Some(mut daemon) = daemon().await else { return };
    let mut server = served(&daemon, &[chat("m")]).await;
    let before = containers(&daemon, "m");
    daemon.kill();
    assert_eq!(ask(&server, "m").await, 200);
    apply(&server, &document(&[chat("m"), chat("other")])).ok();
    let waiting = until_status(&server, "other", "waiting for Docker", |status| {
        replica(status)["message"].to_string().contains("Docker does not answer at unix://")
    })
    .await;
    assert_eq!(replica(&waiting)["state"], "pending");
    // A manager that comes up without the daemon serves what it knows.
    server.kill();
    server.restart().await;
    until_ready(&server, "m").await;
    assert_eq!(ask(&server, "m").await, 200);

    daemon.restart().await;
    until_ready(&server, "other").await;
    assert_eq!(containers(&daemon, "m"), before);
    assert_eq!((ask(&server, "m").await, ask(&server, "other").await), (200, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_died_while_the_daemon_was_away_is_made_anew() {
    let Some(mut daemon) = daemon().await else { return };
    let server = served(&daemon, &[chat("lives"), chat("dies")]).await;
    let (lives, dies) = (containers(&daemon, "lives"), containers(&daemon, "dies"));
    let pid = daemon.inspect(&dies[0])["State"]["Pid"].to_string();
    daemon.kill();
    assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    daemon.restart().await;
    until_another(&daemon, "dies", &dies).await;
    until_ready(&server, "dies").await;
    assert_eq!(containers(&daemon, "lives"), lives);
    assert_eq!((ask(&server, "lives").await, ask(&server, "dies").await), (200, 200));
}
