//! The store in PostgreSQL: a backup of it holds the same, and moves it into the files of a home and back.

use test_postgres::Postgres;

use super::*;

const URL: &str = "ENGINEHOUSE_DATABASE_URL";
const FAULT: &str = "ENGINEHOUSE_TEST_FAULT_POINT";
/// Rows of a table between two words about it, and some more.
const MANY: u32 = 120_000;

/// A home whose store is in a database.
struct Place {
    folder: TempDir,
    postgres: Postgres,
}

// === impl Place ===

impl Place {
    /// Neither is there yet, or they are empty.
    fn empty() -> Self {
        Self { folder: TempDir::new().unwrap(), postgres: Postgres::start() }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn command(&self, program: &Program, arguments: &[&str]) -> std::process::Command {
        let mut command = program.command();
        command.env(URL, self.postgres.url()).arg("--home").arg(self.home()).args(arguments);
        command
    }

    fn run(&self, program: &Program, arguments: &[&str]) -> Finished {
        Finished::of(&mut self.command(program, arguments), None)
    }

    fn location(&self) -> Location {
        Location::Postgres(self.postgres.url().parse().unwrap())
    }

    /// Neither home nor tables.
    fn assert_untouched(&self) {
        let tables = "SELECT COUNT(*) FROM pg_tables WHERE schemaname LIKE 'enginehouse%'";
        assert_eq!(self.postgres.sql(tables), "0");
        assert!(!self.home().exists());
    }
}

/// All rows of a store by table, but for how far spools were drained that are left behind.
async fn everything(store: &Location) -> Vec<(String, Vec<CopyRow>)> {
    rows(store).await.into_iter().filter(|(table, _)| table != "positions").collect()
}

async fn events_of(location: &Location) -> HashMap<String, LoggedEvent> {
    let store = Store::open_at(location).await.unwrap();
    let events = store.events().logs(&LogsFilter { limit: 1_000_000, ..LogsFilter::default() }).await.unwrap();
    store.close().await;
    let count = events.len();
    let by_request: HashMap<_, _> = events.into_iter().map(|event| (event.request_id.clone(), event)).collect();
    assert_eq!(by_request.len(), count, "a request has two events");
    by_request
}

/// Every sum of the books is that of its events.
fn assert_sums(postgres: &Postgres) {
    let one = |sql: &str| postgres.sql(&format!("SET search_path TO enginehouse_ledger; {sql}"));
    let cost = one("SELECT SUM(cost) FROM events");
    for table in ["spend_by_key", "usage_by_day", "spend_by_model"] {
        assert_eq!(one(&format!("SELECT SUM(cost) FROM {table}")), cost, "{table}");
    }
    assert_eq!(one("SELECT SUM(requests) FROM usage_by_day"), one("SELECT COUNT(*) FROM events"));
}

/// A server whose store is in the database, with a model that costs something and a key; what it is.
async fn served(program: &Program, postgres: &Postgres, engine: &Engine) -> (Server, String) {
    let server = ServerOptions::new(program).environment(URL, &postgres.url()).start().await;
    let mut model = document::endpoint("tiny", "chat", engine, "tiny");
    model["price"] = json!({"input": 1.5, "output": 6.0});
    server.apply(&document::of(&[model]));
    let key = server.create_key(&["--alias", "ann", "--budget", "5"]);
    (server, key)
}

/// A backup of a stopped service on PostgreSQL with some books, encrypted if there is a passphrase.
async fn small_backup(program: &Program, from: &Postgres, folder: &Path, pass: Option<&Path>) -> (PathBuf, String) {
    let engine = Engine::start(program, &["--model", "tiny"]).await;
    let (mut server, key) = served(program, from, &engine).await;
    for _ in 0..3 {
        server.client_with(&key).post("/v1/chat/completions", &body()).await.expect(200);
    }
    server.stop(Signal::TERM).await;
    let file = folder.join("small.backup");
    let mut command = server.command(&["backup", "create", "-o", text(&file)]);
    command.env(URL, from.url());
    command.args(pass.iter().flat_map(|pass| ["--passphrase-file", text(pass)]));
    Finished::of(&mut command, None).ok();
    (file, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn taken_under_load_it_is_exact_in_either_database_and_back_again() {
    let program = support::enginehouse!();
    let from = Postgres::start();
    let engine = Engine::start(&program, &["--model", "tiny", "--tokens", "5", "--inter-token-ms", "4"]).await;
    let (mut server, key) = served(&program, &from, &engine).await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let crowd: Vec<_> =
        (0..8).map(|_| tokio::spawn(crowd(server.client_with(&key), stop.clone(), done.clone()))).collect();
    until("some requests", || done.lock().len() > 300).await;
    let file = server.folder().join("load.backup");
    let before = done.lock().clone();
    let mut create = server.command(&["backup", "create", "-o", text(&file)]);
    let made = Finished::of(create.env(URL, from.url()), None);
    assert!(made.ok().contains("usage_by_day") && made.stderr.contains("NOT encrypted"), "{made:?}");
    let after = done.lock().len();
    until("more requests", || done.lock().len() > after + 50).await;
    server.kill();
    stop.store(true, Ordering::Relaxed);
    for client in crowd {
        client.await.unwrap();
    }
    server.restart().await;
    server.stop(Signal::TERM).await;
    let real = events_of(&Location::Postgres(from.url().parse().unwrap())).await;

    // Into files, and into another database.
    let (files, other) = (TempDir::new().unwrap(), Place::empty());
    let home = files.path().join("home");
    command(&program, &home, &["restore", text(&file)]).ok();
    other.run(&program, &["restore", text(&file)]).ok();
    assert!(!other.home().join("enginehouse.db").exists() && !other.home().join("ledger.db").exists());
    for location in [Location::Home(home.clone()), other.location()] {
        let copied = events_of(&location).await;
        assert!(before.iter().all(|id| copied.contains_key(id)), "what was answered before the backup is in it");
        assert!(copied.len() < real.len());
        for (id, event) in &copied {
            let is_whole = event.outcome != "interrupted";
            assert!(if is_whole { *event == real[id] } else { event.cost <= real[id].cost }, "{event:?}");
        }
    }
    assert_sums(&other.postgres);

    // It serves as before: the key, what it spent, numbers that the database gives out.
    let options = ServerOptions::new(&program).environment(URL, &other.postgres.url());
    fs::rename(other.home(), options.home()).unwrap();
    let count = events_of(&other.location()).await.len();
    let mut there = options.start().await;
    there.client_with(&key).post("/v1/chat/completions", &body()).await.expect(200);
    let keys = there.cli(&["key", "list", "--json"]).json();
    assert_eq!((&keys[0]["alias"], &keys[0]["max_budget"]), (&json!("ann"), &json!(5.0)));
    there.create_key(&["--alias", "bob"]);
    there.stop(Signal::TERM).await;
    assert_eq!(events_of(&other.location()).await.len(), count + 1);
    assert_sums(&other.postgres);

    // Back into files: every row of every table is the same.
    let back = files.path().join("back");
    let again = files.path().join("again.backup");
    let mut create = there.command(&["backup", "create", "-o", text(&again)]);
    Finished::of(create.env(URL, other.postgres.url()), None).ok();
    command(&program, &back, &["restore", text(&again)]).ok();
    assert!(!back.join("store").exists() && there.home().join("store").exists(), "where the store of each is");
    command(&program, &back, &["config", "show"]).ok();
    assert_eq!(everything(&Location::Home(back)).await, everything(&other.location()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_with_files_moves_into_a_database() {
    let program = support::enginehouse!();
    let (server, key) = small_home(&program).await;
    let (file, to) = (server.folder().join("b"), Place::empty());
    server.cli(&["backup", "create", "-o", text(&file)]).ok();
    let rows = everything(&Location::Home(server.home())).await;
    to.run(&program, &["restore", text(&file)]).ok();
    assert_eq!(everything(&to.location()).await, rows);
    // What forgets the database begins no second store.
    let serve = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    for arguments in [&["config", "show"][..], &["account", "reset-password", "admin"], &["backup", "create"], &serve] {
        let refused = command(&program, &to.home(), arguments);
        assert!(refused.fails_with(1).contains("ENGINEHOUSE_DATABASE_URL"), "{arguments:?}: {refused:?}");
    }
    assert!(!to.home().join("enginehouse.db").exists() && !to.home().join("ledger.db").exists());
    let options = ServerOptions::new(&program).environment(URL, &to.postgres.url());
    fs::rename(to.home(), options.home()).unwrap();
    let there = options.start().await;
    assert_eq!(there.client_with(&key).get("/v1/models").await.expect(200).json()["data"][0]["id"], "tiny");
    assert_eq!(there.cli(&["key", "list", "--json"]).json()[0]["alias"], "ann");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_restored_into_a_database_touches_nothing() {
    let program = support::enginehouse!();
    let (from, to, folder) = (Postgres::start(), Place::empty(), TempDir::new().unwrap());
    let (pass, wrong) = (folder.path().join("pass"), folder.path().join("wrong"));
    fs::write(&pass, PASSPHRASE).unwrap();
    fs::write(&wrong, "another passphrase").unwrap();
    let (file, _) = small_backup(&program, &from, folder.path(), Some(&pass)).await;
    let restore = |file: &Path, pass: &Path, more: &[&str]| {
        to.run(&program, &[&["restore", text(file), "--passphrase-file", text(pass)], more].concat())
    };
    let (bytes, torn) = (fs::read(&file).unwrap(), folder.path().join("torn"));
    fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    assert!(restore(&file, &wrong, &[]).fails_with(1).contains("the passphrase is wrong"));
    // Too small for two chunks: the first one is cut, and no key opens it.
    let refused = restore(&torn, &pass, &[]);
    assert!(
        ["damaged", "the passphrase is wrong"].iter().any(|words| refused.fails_with(1).contains(words)),
        "{refused:?}"
    );
    to.assert_untouched();

    // Of a version that knows more.
    let known = "INSERT INTO enginehouse_ledger._sqlx_migrations
        VALUES (9999, 'later', now(), TRUE, '\\x00', 0)";
    from.sql(known);
    let newer = folder.path().join("newer");
    let mut command = program.command();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    command.env(URL, from.url()).arg("--home").arg(&home).args(["backup", "create", "-o", text(&newer)]);
    Finished::of(&mut command, None).ok();
    let refused = to.run(&program, &["restore", text(&newer)]);
    assert!(refused.fails_with(1).contains("ledger, 9999") && refused.stderr.contains("newer version"), "{refused:?}");
    to.assert_untouched();

    // There is a store already: it is not touched, or set aside.
    restore(&file, &pass, &[]).ok();
    let key = "SELECT alias FROM enginehouse.keys";
    fs::rename(to.home(), folder.path().join("elsewhere")).unwrap();
    let refused = restore(&file, &pass, &[]);
    assert!(
        refused.fails_with(1).contains("is not empty") && refused.stderr.contains("schema enginehouse"),
        "{refused:?}"
    );
    assert!(!to.home().exists() && to.postgres.sql(key) == "ann");
    assert!(restore(&file, &pass, &["--force"]).ok().contains("keys"));
    let aside =
        "SELECT string_agg(nspname, ' ' ORDER BY nspname) FROM pg_namespace WHERE nspname LIKE '%before_restore%'";
    let aside = to.postgres.sql(aside);
    assert_eq!(aside.split(' ').count(), 2, "{aside}");
    assert_eq!(to.postgres.sql(key), "ann");
    let old = aside.split(' ').next().unwrap();
    assert_eq!(to.postgres.sql(&format!("SELECT alias FROM \"{old}\".keys")), "ann");

    // Somebody uses it.
    let options = ServerOptions::new(&program).environment(URL, &to.postgres.url());
    fs::rename(to.home(), options.home()).unwrap();
    let _there = options.start().await;
    let refused = restore(&file, &pass, &["--force"]);
    assert!(refused.fails_with(1).contains("another Enginehouse manager uses this database"), "{refused:?}");
    // And nothing is saved of a database that has no store.
    let (empty, home) = (Place::empty(), folder.path().join("home"));
    let mut command = program.command();
    command.env(URL, empty.postgres.url()).arg("--home").arg(home).args(["backup", "create", "-o", text(&torn)]);
    fs::remove_file(&torn).unwrap();
    assert!(Finished::of(&mut command, None).fails_with(1).contains("has no store in it"));
    assert!(!torn.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_all_is_restored_or_nothing() {
    let program = support::enginehouse!();
    let (from, folder) = (Postgres::start(), TempDir::new().unwrap());
    let (file, _) = small_backup(&program, &from, folder.path(), None).await;
    let restore = ["restore", text(&file)];
    let dies = |to: &Place, point: &str| {
        let mut command = to.command(&program, &restore);
        assert_eq!(Finished::of(command.env(FAULT, point), None).status.code(), None, "{point}");
    };
    let is_whole = |to: &Place| {
        let keys = to.run(&program, &["key", "list", "--json"]).json();
        assert_eq!((keys.as_array().unwrap().len(), &keys[0]["alias"]), (1, &json!("ann")));
        assert_eq!(to.run(&program, &["usage", "--json"]).json()["total"]["requests"], 3);
        assert!(!to.home().join("restoring").exists());
        assert_eq!(to.postgres.sql("SELECT COUNT(*) FROM enginehouse.settings WHERE name = 'filled'"), "0");
        assert_sums(&to.postgres);
    };

    // While it is unpacked, or rows go over.
    let to = Place::empty();
    let mut restoring = to.command(&program, &restore).spawn().unwrap();
    let opened = "SELECT COUNT(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
    until("the transaction", || to.home().exists() || to.postgres.sql(opened) == "1").await;
    restoring.kill().unwrap();
    restoring.wait().unwrap();
    if !to.home().exists() {
        to.assert_untouched();
        to.run(&program, &restore).ok();
    }
    is_whole(&to);

    // The home is there, the database is empty: nothing starts, and nothing is made.
    let to = Place::empty();
    dies(&to, "restore-placed");
    let refused = to.run(&program, &["key", "list"]);
    assert!(refused.fails_with(1).contains("was cut off") && refused.stderr.contains("restore FILE"), "{refused:?}");
    let options = ServerOptions::new(&program).environment(URL, &to.postgres.url());
    fs::rename(to.home(), options.home()).unwrap();
    let mut refused = options.spawn();
    assert_eq!(refused.ended().await.code(), Some(1));
    fs::rename(refused.home(), to.home()).unwrap();
    assert_eq!(to.postgres.sql("SELECT COUNT(*) FROM pg_namespace WHERE nspname LIKE 'enginehouse%'"), "0");
    let files = command(&program, &to.home(), &["key", "list"]);
    assert!(files.fails_with(1).contains("was cut off"), "not as a home with files either: {files:?}");
    to.run(&program, &restore).ok();
    is_whole(&to);

    // Both are there, but for the last step.
    let to = Place::empty();
    dies(&to, "restore-filled");
    assert!(to.home().join("restoring").exists());
    let again = to.run(&program, &restore);
    assert!(again.fails_with(1).contains("which is done now"), "{again:?}");
    is_whole(&to);
    let to = Place::empty();
    dies(&to, "restore-filled");
    is_whole(&to);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_tables_go_in_pages_and_it_is_told_how_far_it_is() {
    let program = support::enginehouse!();
    let (from, to, folder) = (Postgres::start(), Place::empty(), TempDir::new().unwrap());
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let (mut server, key) = served(&program, &from, &engine).await;
    server.client_with(&key).post("/v1/chat/completions", &body()).await.expect(200);
    server.stop(Signal::TERM).await;
    // Copies of the one event, and what they sum to.
    from.sql(&format!(
        "SET search_path TO enginehouse_ledger;
        CREATE TEMP TABLE one AS SELECT * FROM events;
        INSERT INTO events SELECT copy.* FROM one, generate_series(1, {MANY}) AS n,
            LATERAL jsonb_populate_record(NULL::events, to_jsonb(one)
                || jsonb_build_object('sequence', 1000 + n, 'request_id', 'r-' || n)) AS copy;
        UPDATE spend_by_key SET cost = cost * ({MANY} + 1);
        UPDATE spend_by_model SET cost = cost * ({MANY} + 1);
        UPDATE usage_by_day SET cost = cost * ({MANY} + 1), requests = requests * ({MANY} + 1)"
    ));
    let file = folder.path().join("b");
    let mut create = server.command(&["backup", "create", "-o", text(&file)]);
    let made = Finished::of(create.env(URL, from.url()), None);
    made.ok();
    assert!(made.stderr.contains("events of ledger: 100000 rows saved"), "{}", made.stderr);
    let restored = to.run(&program, &["restore", text(&file)]);
    restored.ok();
    let told = ["events of ledger: 1".to_owned(), format!("of {} rows unpacked", MANY + 1)];
    assert!(told.iter().all(|told| restored.stderr.contains(told)), "{}", restored.stderr);
    assert!(restored.stderr.contains("events of ledger: 100000 rows put into the database"), "{}", restored.stderr);
    let digest =
        "SELECT md5(string_agg(e::TEXT, '' ORDER BY gateway_id, sequence)) FROM enginehouse_ledger.events AS e";
    assert_eq!(to.postgres.sql(digest), from.sql(digest));
    assert_sums(&to.postgres);
}
