use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use snapshot::{Secret, SecretKey};
use tokio::net::TcpListener;

use crate::cli::Globals;
use crate::exit::AlreadyReported;
use crate::home::Home;
use crate::lifecycle::{Drained, Lifecycle, Stop};
use crate::planes::{GatewayStart, ManagerStart, Planes, Start};
use crate::{logging, output, secret_env, span};

const EXAMPLES: &str = "\
Examples:
  enginehouse serve
  enginehouse serve --home /srv/enginehouse --listen 0.0.0.0:4000
  ENGINEHOUSE_MASTER_KEY_FILE=/run/secrets/master enginehouse serve --log-format json
  enginehouse serve --role manager & enginehouse serve --role gateway

With --role, the planes run apart on one home: the gateway serves clients, also while the manager is away, and the
manager does all the rest. Give both the same --listen: the manager shows it to people.

Ctrl-C stops the engines too; SIGTERM leaves them for the next start. A second signal ends at once. A gateway that ends
touches no engine.";

/// Flags of `serve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Where clients connect
    #[arg(long, value_name = "ADDR", default_value = super::CLIENT_LISTEN)]
    listen: SocketAddr,
    /// Where administrators connect
    #[arg(long, value_name = "ADDR", default_value = super::ADMIN_LISTEN)]
    admin_listen: SocketAddr,
    /// Which planes run in this process
    #[arg(long, value_enum, default_value_t = Role::All)]
    role: Role,
    /// How long requests that run may go on after the first signal
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = span::duration)]
    grace: Duration,
    /// Bytes of one of the 16 segments of the gateway's books
    #[arg(long, value_name = "BYTES", hide = true, default_value_t = ledger::Options::default().segment_bytes)]
    books_segment_bytes: u64,
}

/// Which planes run in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Gateway and manager
    All,
    /// What serves clients, on --listen
    Gateway,
    /// What does all the rest: engines, keys, books; on --admin-listen
    Manager,
}

/// What the environment holds for us.
struct FromEnvironment {
    master_key: Option<Secret>,
    secret_key: Option<SecretKey>,
}

/// Runs the service until a signal ends it.
pub(crate) fn run(globals: &Globals, args: ServeArgs) -> anyhow::Result<()> {
    logging::start(globals, "info")?;
    let secret_key = secret_env::read("ENGINEHOUSE_SECRET_KEY")?;
    let environment = FromEnvironment {
        master_key: secret_env::read("ENGINEHOUSE_MASTER_KEY")?,
        secret_key: secret_key.as_ref().map(SecretKey::new).transpose().context("ENGINEHOUSE_SECRET_KEY")?,
    };
    let home = Home::resolve(globals)?;
    // Before there is a second thread: those that exist already would stay root.
    home.act_as_owner()?;
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(&home, args, environment))
}

async fn serve(home: &Home, args: ServeArgs, environment: FromEnvironment) -> anyhow::Result<()> {
    let lifecycle = Lifecycle::install()?;
    let planes = start(home, &args, environment, &lifecycle).await?;
    let admin = planes.admin.map(tracing::field::display);
    tracing::info!(home = %home.path().display(), role = ?args.role, client = %planes.client, admin, "serving");
    let stop = lifecycle.stopped().await;
    finish(planes, &lifecycle, stop, args.grace).await
}

async fn start(
    home: &Home,
    args: &ServeArgs,
    environment: FromEnvironment,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Planes> {
    let FromEnvironment { master_key, secret_key } = environment;
    let client = || bind(args.listen, "client", "--listen");
    let admin = || bind(args.admin_listen, "admin", "--admin-listen");
    let books = ledger::Options { segment_bytes: args.books_segment_bytes, ..ledger::Options::default() };
    let (home, hand_over_master_key) = (home.clone(), hand_over as _);
    match args.role {
        Role::All => {
            let (client, admin) = (client().await?, admin().await?);
            Planes::both(Start { home, client, admin, master_key, hand_over_master_key, books }, lifecycle).await
        }
        Role::Manager => {
            let (client, admin) = (args.listen, admin().await?);
            Planes::manager(ManagerStart { home, admin, client, master_key, hand_over_master_key }, lifecycle).await
        }
        Role::Gateway => Planes::gateway(GatewayStart { home, client: client().await?, secret_key, books }, lifecycle),
    }
}

/// Lets running requests end, then the planes; a second signal ends the wait, and is a failure.
pub(super) async fn finish(planes: Planes, lifecycle: &Lifecycle, stop: Stop, grace: Duration) -> anyhow::Result<()> {
    if lifecycle.drain(grace).await == Drained::Overdue {
        tracing::warn!(?grace, "requests still ran after the grace; they are cut off");
    }
    let ended = lifecycle.hard.run_until_cancelled(planes.end(stop == Stop::Person)).await;
    if ended.is_none() {
        tracing::warn!("ended at once; what ran is cut off, and engines may run on until the next start");
        return Err(AlreadyReported.into());
    }
    tracing::info!("stopped");
    Ok(())
}

/// Binds a port before anything else happens, so that a port that is taken ends the start and nothing more.
pub(super) async fn bind(address: SocketAddr, what: &str, flag: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address}, the {what} port: free it or choose another with {flag}"))
}

/// Shows a master key that was just made: on a terminal, or else in a file for the owner only. Never in the log.
fn hand_over(home: &Home, key: &Secret) -> anyhow::Result<()> {
    if io::stderr().is_terminal() {
        output::note(&format!("\nMaster key, shown this once:\n\n  {}\n", key.expose()));
        return Ok(());
    }
    let path = home.write_secret("master.key", key.expose());
    let path =
        path.context("the master key that was made cannot be kept; set ENGINEHOUSE_MASTER_KEY to one of your own")?;
    tracing::info!(path = %path.display(), "a master key was made; read it there, then delete the file");
    Ok(())
}

/// As many open files as the system allows: each request needs two.
fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        tracing::warn!(?current, ?maximum, "the limit of open files cannot be raised");
    }
}
