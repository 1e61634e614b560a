use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use snapshot::Secret;
use tokio::net::TcpListener;

use crate::cli::Globals;
use crate::exit::AlreadyReported;
use crate::home::Home;
use crate::lifecycle::{Drained, Lifecycle, Stop};
use crate::planes::{Planes, Start};
use crate::{logging, output, secret_env, span};

const EXAMPLES: &str = "\
Examples:
  enginehouse serve
  enginehouse serve --home /srv/enginehouse --listen 0.0.0.0:4000
  ENGINEHOUSE_MASTER_KEY_FILE=/run/secrets/master enginehouse serve --log-format json

Ctrl-C stops the engines too; SIGTERM leaves them for the next start. A second signal ends at once.";

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
}

/// Which planes run in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Gateway and manager.
    All,
}

/// Runs the service until a signal ends it.
pub(crate) fn run(globals: &Globals, args: ServeArgs) -> anyhow::Result<()> {
    logging::start(globals, "info")?;
    let master_key = secret_env::read("ENGINEHOUSE_MASTER_KEY")?;
    let home = Home::resolve(globals)?;
    // Before there is a second thread: those that exist already would stay root.
    home.act_as_owner()?;
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(&home, args, master_key))
}

async fn serve(home: &Home, args: ServeArgs, master_key: Option<Secret>) -> anyhow::Result<()> {
    let Role::All = args.role;
    let lifecycle = Lifecycle::install()?;
    let start = Start {
        home: home.clone(),
        client: bind(args.listen, "client", "--listen").await?,
        admin: bind(args.admin_listen, "admin", "--admin-listen").await?,
        master_key,
        hand_over_master_key: hand_over,
    };
    let planes = Planes::start(start, &lifecycle).await?;
    tracing::info!(home = %home.path().display(), client = %planes.client, admin = %planes.admin, "serving");
    let stop = lifecycle.stopped().await;
    finish(planes, &lifecycle, stop, args.grace).await
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
