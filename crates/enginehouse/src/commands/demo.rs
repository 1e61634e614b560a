use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use manager::AllowedNetworks;
use serde_json::{Value, json};
use snapshot::Secret;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::cli::Globals;
use crate::client::Client;
use crate::home::Home;
use crate::lifecycle::{Lifecycle, Stop};
use crate::planes::{AdminPort, Given, Planes, Runtimes, Start};
use crate::{logging, output};

mod one_request;

use super::apply::follow;
use super::serve::{bind, finish};

const EXAMPLES: &str = "\
Examples:
  enginehouse demo
  enginehouse demo --once      end after the first request; for scripts

The home lies in a temporary folder and is gone afterwards.";

/// How long the simulated engines may take to come up.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long running requests may go on after Ctrl-C.
const GRACE: Duration = Duration::from_secs(5);

/// The models of the demo: name, type, and how fast they are.
const MODELS: [(&str, &str, &[&str]); 2] = [
    ("demo-chat", "chat", &["--ttft-ms", "120", "--inter-token-ms", "25", "--tokens", "24"]),
    ("demo-embed", "embedding", &[]),
];

/// Flags of `demo`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Where clients connect [default: 127.0.0.1:4000, or a free port]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where administrators connect [default: 127.0.0.1:7860, or a free port]
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<SocketAddr>,
    /// End after the first request
    #[arg(long)]
    once: bool,
}

/// Runs both planes with simulated engines on a home that is gone afterwards.
pub(crate) fn run(globals: &Globals, args: DemoArgs) -> anyhow::Result<()> {
    logging::start(globals, "warn")?;
    let folder = TempDir::with_prefix("enginehouse-demo-").context("no folder for the demo's home")?;
    Runtimes::build()?.run(async |rest| demo(folder.path(), args, rest).await)
}

async fn demo(folder: &Path, args: DemoArgs, rest: Handle) -> anyhow::Result<()> {
    let lifecycle = Lifecycle::install()?;
    let home = Home::at(folder);
    let start = Start {
        home: home.clone(),
        database: None,
        client: bind_or_any(args.listen, super::CLIENT_LISTEN, "client", "--listen").await?,
        admin: AdminPort {
            listener: bind_or_any(args.admin_listen, super::ADMIN_LISTEN, "admin", "--admin-listen").await?,
            networks: AllowedNetworks::default(),
        },
        given: Given::default(),
        // They are shown with the rest.
        hand_over: |_, _| Ok(()),
        books: ledger::Options::default(),
        rest,
    };
    let planes = Planes::both(start, &lifecycle).await?;
    // A signal in the middle of it ends the demo as orderly as one at the end.
    let shown = lifecycle.soft.run_until_cancelled(show(&home, &planes, &args)).await;
    if !args.once && matches!(shown, Some(Ok(()))) {
        lifecycle.stopped().await;
    }
    lifecycle.stop(Stop::Person);
    let finished = finish(planes, &lifecycle, true, GRACE).await;
    shown.unwrap_or(Ok(())).and(finished)
}

async fn show(home: &Home, planes: &Planes, args: &DemoArgs) -> anyhow::Result<()> {
    let client = Client::of_running(home).await?.context("the demo's own control socket is not there")?;
    output::note("Starting two simulated engines ...");
    start_models(&client).await?;
    let key = make_key(&client).await?;
    output::data(&introduction(home, planes, &key))?;
    let line = one_request::serve(&client, planes.client, MODELS[0].0, &key).await?;
    output::data(&line)?;
    if !args.once {
        output::data("\nServing until Ctrl-C.")?;
    }
    Ok(())
}

async fn start_models(client: &Client) -> anyhow::Result<()> {
    let submission = json!({"document": document()?.to_string(), "format": "json", "base_dir": "/"});
    let answer = client.post("/api/v1/apply", &submission).await?;
    let job = answer["job"].as_str().context("the document has started nothing")?;
    follow::job(client, job, Some(READY_WITHIN)).await?.verdict()
}

async fn make_key(client: &Client) -> anyhow::Result<String> {
    let fresh = client.post("/api/v1/keys", &json!({"alias": "demo", "rpm": 600, "max_budget": 1.0})).await?;
    Ok(fresh["key"].as_str().context("no key was made")?.to_owned())
}

fn document() -> anyhow::Result<Value> {
    let program = std::env::current_exe().context("where this program lies is not known")?;
    let program = program.to_str().context("the path of this program is not UTF-8")?;
    let model = |(name, model_type, speed): (&str, &str, &[&str])| {
        let mut command = vec![program, "engine-sim", "--port", "{port}", "--model", "{name}", "--type", model_type];
        command.extend(speed);
        json!({
            "name": name,
            "type": model_type,
            "deployments": [{"engine": {"source": "enginehouse/simulated", "runtime": "process", "command": command}}],
            "price": {"input": 0.10, "output": 0.40},
        })
    };
    Ok(json!({"version": 1, "models": MODELS.map(model)}))
}

fn introduction(home: &Home, planes: &Planes, key: &str) -> String {
    let (client, home) = (planes.client, home.path().display());
    let admin = planes.admin.map(|admin| admin.to_string()).unwrap_or_default();
    let program = this_program();
    let [(chat, ..), (embed, ..)] = MODELS;
    let shown = |secret: &Option<Secret>| secret.as_ref().map_or("-", |secret| secret.expose()).to_owned();
    let (master, password) = (shown(&planes.made.master_key), shown(&planes.made.admin_password));
    format!(
        "
  clients      http://{client}/v1    models {chat}, {embed}
  key          {key}
  admin API    http://{admin}/api/v1
  master key   {master}
  account      admin, password {password}
  commands     {program} --home {home} usage

Try it:

  curl http://{client}/v1/chat/completions -H 'Authorization: Bearer {key}' \\
    -H 'Content-Type: application/json' \\
    -d '{{\"model\": \"{chat}\", \"stream\": true, \"messages\": [{{\"role\": \"user\", \"content\": \"Say hello.\"}}]}}'
"
    )
}

/// How this program is called from a shell: by its name where that finds it, else by its path.
fn this_program() -> String {
    const NAME: &str = "enginehouse";
    let Ok(program) = std::env::current_exe() else { return NAME.to_owned() };
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(NAME)).find(|path| path.is_file());
    let is_found = found.and_then(|path| path.canonicalize().ok()).is_some_and(|path| path == program);
    if is_found { NAME.to_owned() } else { program.display().to_string() }
}

/// The address that was asked for, else the usual one, else, as the demo must not need anything, any free port.
async fn bind_or_any(asked: Option<SocketAddr>, usual: &str, what: &str, flag: &str) -> anyhow::Result<TcpListener> {
    if let Some(address) = asked {
        return bind(address, what, flag).await;
    }
    match TcpListener::bind(usual).await {
        Ok(listener) => Ok(listener),
        Err(_) => Ok(TcpListener::bind("127.0.0.1:0").await.context("no free port on 127.0.0.1")?),
    }
}
