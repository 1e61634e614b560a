//! Accounts, sessions, API tokens and the master key, as somebody outside uses them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;

use http::Method;
use serde_json::json;
use support::{Finished, Http, Server, ServerOptions, Signal};

const PASSWORD: &str = "a password that is tested";

/// Logs in and gives what a browser would send from then on.
async fn log_in(server: &Server, account: &str, password: &str) -> Http {
    let anybody = Http::to(server.admin_address());
    let login = json!({ "account": account, "password": password });
    let answer = anybody.post("/api/v1/session", &login).await;
    answer.expect(200);
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let token = answer.json()["csrf_token"].as_str().unwrap().to_owned();
    let origin = format!("http://{}", server.admin_address());
    anybody.with_header("cookie", &cookie).with_header("x-csrf-token", &token).with_header("origin", &origin)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_makes_an_account_and_keeps_its_password_for_the_owner() {
    let program = support::enginehouse!();
    let mut server = Server::start(&program).await;
    let path = server.home().join("admin.password");
    let password = fs::read_to_string(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let log = server.log();
    assert!(log.contains(path.to_str().unwrap()) && !log.contains(&password), "the log names the file and no more");
    let browser = log_in(&server, "admin", &password).await;
    browser.post("/api/v1/keys", &json!({ "alias": "by-session" })).await.expect(201);

    // A machine that crashes forgets nobody.
    server.kill();
    fs::remove_file(&path).unwrap();
    server.restart().await;
    assert!(!path.exists(), "it is made once");
    browser.get("/api/v1/keys").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_fails_or_dies_hides_no_password() {
    let program = support::enginehouse!();
    let options = ServerOptions::new(&program);
    let path = options.home().join("admin.password");
    let mut refused = program.command();
    refused.arg("--home").arg(options.home()).env("ENGINEHOUSE_MASTER_KEY", "short");
    refused.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let refused = Finished::of(&mut refused, None);
    assert!(refused.fails_with(1).contains("unfit"), "{refused:?}");
    assert!(!refused.stderr.contains("password of the first account was set"), "{refused:?}");

    let mut dies = program.command();
    dies.arg("--home").arg(options.home()).env("ENGINEHOUSE_TEST_FAULT_POINT", "secrets-made");
    dies.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    assert!(Finished::of(&mut dies, None).status.code().is_none(), "it was killed");
    let key = fs::read_to_string(options.home().join("master.key")).unwrap();
    for name in ["master.key.new", "config.json.new", "rendered/Caddyfile.new"] {
        fs::write(options.home().join(name), "half").unwrap();
    }
    let server = options.without_master_key().start().await;
    log_in(&server, "admin", &fs::read_to_string(&path).unwrap()).await;
    server.client_with(&key).get("/v1/models").await.expect(200);
    for name in ["master.key.new", "config.json.new", "rendered/Caddyfile.new"] {
        assert!(!server.home().join(name).exists(), "{name} is left");
    }

    // One that opens nothing any more does not lie there as if it did.
    server.cli(&["account", "set-role", "admin", "admin"]).ok();
    assert!(path.exists());
    server.cli(&["account", "reset-password", "admin"]).ok();
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_reset_on_the_machine_running_or_not() {
    let program = support::enginehouse!();
    let options = ServerOptions::new(&program).environment("ENGINEHOUSE_ADMIN_PASSWORD", PASSWORD);
    let mut server = options.start().await;
    let browser = log_in(&server, "admin", PASSWORD).await;
    let reset = server.cli(&["account", "reset-password", "admin"]);
    browser.get("/api/v1/status").await.expect(401);
    log_in(&server, "admin", reset.ok().trim()).await;

    server.stop(Signal::INT).await;
    let typed = ["account", "reset-password", "admin", "--password-stdin"];
    Finished::of(&mut server.command(&typed), Some("chosen while nothing ran\n")).ok();
    server.cli(&["account", "reset-password", "nobody"]).fails_with(1);
    server.restart().await;
    log_in(&server, "admin", "chosen while nothing ran").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_is_not_opened_to_others_without_a_password() {
    let program = support::enginehouse!();
    let folder = tempfile::tempdir().unwrap();
    let serve = |password: Option<&str>| {
        let mut command = program.command();
        command.arg("--home").arg(folder.path().join("home"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "0.0.0.0:0"]);
        command.envs(password.map(|password| ("ENGINEHOUSE_ADMIN_PASSWORD", password)));
        Finished::of(&mut command, None)
    };
    let refused = serve(None);
    let said = refused.fails_with(1);
    assert!(said.contains("ENGINEHOUSE_ADMIN_PASSWORD") && said.contains("--admin-listen"), "{said}");
    assert!(!folder.path().join("home/master.key").exists(), "nothing was made that nobody was shown");
    assert!(serve(Some("short")).fails_with(1).contains("at least 8 characters"));

    let log = folder.path().join("log");
    let mut command = program.command();
    command.arg("--home").arg(folder.path().join("home")).env("ENGINEHOUSE_ADMIN_PASSWORD", PASSWORD);
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "0.0.0.0:0"]);
    let mut server = command.stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    support::until("the warning", || fs::read_to_string(&log).unwrap().contains("plain HTTP")).await;
    server.kill().unwrap();
    server.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_works_from_elsewhere_within_its_scopes() {
    let program = support::enginehouse!();
    let server = Server::start(&program).await;
    let token = server.cli(&["token", "create", "ci", "--role", "admin", "--scopes", "keys,usage:read", "--quiet"]);
    let token = token.ok().trim().to_owned();
    let url = format!("http://{}", server.admin_address());
    let remote = |arguments: &[&str]| {
        let mut command = program.command();
        command.args(["--server", &url]).args(arguments).env("ENGINEHOUSE_TOKEN", &token);
        Finished::of(&mut command, None)
    };
    remote(&["key", "create", "--alias", "far"]).ok();
    assert_eq!(remote(&["key", "list", "--json"]).json()[0]["alias"], "far");
    let refused = remote(&["team", "create", "blue"]);
    assert!(refused.fails_with(1).contains("confined to keys, usage:read"), "{refused:?}");
    let audit = server.cli(&["audit", "--actor", "token:ci", "--json"]).json();
    assert_eq!((&audit[0]["action"], &audit[0]["remote"]), (&json!("key.create"), &json!("127.0.0.1")));
    let listed = server.cli(&["token", "list"]);
    assert!(listed.ok().contains("keys,usage:read") && !listed.ok().contains(&token));
    server.cli(&["token", "revoke", "ci"]).ok();
    remote(&["key", "list"]).fails_with(1);
    server.cli(&["token", "show", &token]).fails_with(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_master_key_is_dead_at_once_everywhere() {
    let program = support::enginehouse!();
    let mut server = ServerOptions::new(&program).without_master_key().start().await;
    let file = server.home().join("master.key");
    let old = fs::read_to_string(&file).unwrap();
    let admin = |key: &str| Http::to(server.admin_address()).with_key(key);
    let rotated = server.cli(&["key", "rotate", "--master", "--quiet"]);
    let new = rotated.ok().trim().to_owned();
    server.client_with(&old).get("/v1/models").await.expect(401);
    admin(&old).get("/api/v1/status").await.expect(401);
    server.client_with(&new).get("/v1/models").await.expect(200);
    admin(&new).get("/api/v1/status").await.expect(200);
    assert_eq!(fs::read_to_string(&file).unwrap(), new);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    server.restart().await;
    server.client_with(&old).get("/v1/models").await.expect(401);
    server.client_with(&new).get("/v1/models").await.expect(200);

    let set = Server::start(&program).await;
    assert!(set.cli(&["key", "rotate", "--master"]).fails_with(1).contains("ENGINEHOUSE_MASTER_KEY"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_opens_the_admin_port_is_logged_or_kept() {
    let program = support::enginehouse!();
    let options = ServerOptions::new(&program).environment("ENGINEHOUSE_ADMIN_PASSWORD", PASSWORD);
    let mut server = options.arguments(&["--log", "trace"]).start().await;
    let browser = log_in(&server, "admin", PASSWORD).await;
    let whoami = browser.get("/api/v1/session").await.json();
    let token = server.cli(&["token", "create", "t", "--role", "viewer", "--quiet"]).ok().trim().to_owned();
    Http::to(server.admin_address()).with_key(&token).get("/api/v1/status").await.expect(200);
    let again = Http::to(server.admin_address());
    let typo = json!({ "account": "my-secret-typed-as-name", "password": "a mistyped password" });
    again.post("/api/v1/session", &typo).await.expect(401);
    browser.send(Method::DELETE, "/api/v1/session", "").await.expect(204);
    server.stop(Signal::INT).await;
    let csrf = whoami["csrf_token"].as_str().unwrap();
    let database = fs::read(server.home().join("enginehouse.db")).unwrap();
    let database = String::from_utf8_lossy(&database).into_owned();
    for secret in [PASSWORD, &token, csrf, "a mistyped password", "my-secret-typed-as-name"] {
        assert!(!server.log().contains(secret), "in the log: {secret}");
        assert!(!database.contains(secret), "in the database: {secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_ends_though_somebody_follows_its_events() {
    let program = support::enginehouse!();
    let mut server = Server::start(&program).await;
    let admin = server.admin();
    let mut stream = admin.try_stream(Method::GET, "/api/v1/events", bytes::Bytes::new()).await.unwrap();
    stream.next_chunk().await.unwrap();
    server.create_key(&["--alias", "told"]);
    let mut heard = String::new();
    while !heard.contains("key.create") {
        heard.push_str(&String::from_utf8_lossy(&stream.next_chunk().await.unwrap().expect("it goes on")));
    }
    // Well before the grace is over, or the test's patience is.
    assert!(server.stop(Signal::TERM).await.success());
}

/// This machine's address in its network; none where it is in none. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_answers_the_networks_that_it_is_told_to() {
    let Some(own) = own_address() else {
        let _ = writeln!(io::stderr(), "SKIPPED: this test needs an address that is not a loopback one");
        return;
    };
    let program = support::enginehouse!();
    let options = || ServerOptions::new(&program).at(own).environment("ENGINEHOUSE_ADMIN_PASSWORD", PASSWORD);
    let server = options().arguments(&["--admin-allow", "198.51.100.0/24"]).start().await;
    for path in ["/api/v1/status", "/metrics", "/"] {
        let refused = server.admin().get(path).await;
        assert!(refused.expect(403).text().contains("--admin-allow"), "{path}: {}", refused.text());
    }
    let login = json!({ "account": "admin", "password": PASSWORD });
    Http::to(server.admin_address()).post("/api/v1/session", &login).await.expect(403);
    server.client().get("/v1/models").await.expect(200);
    server.cli(&["key", "list"]).ok();
    drop(server);

    let both = ["--admin-allow", "198.51.100.0/24", "--admin-allow", &own.to_string()];
    let server = options().arguments(&both).start().await;
    server.admin().get("/api/v1/status").await.expect(200);
}
