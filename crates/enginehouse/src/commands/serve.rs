use std::fs;
use std::io::{self, IsTerminal as _};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use manager::{Made, PostgresUrl};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use snapshot::Secret;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::cli::Globals;
use crate::exit::AlreadyReported;
use crate::home::Home;
use crate::lifecycle::{Drained, Lifecycle, Stop};
use crate::planes::{AdminPort, GatewayStart, Given, ManagerStart, Planes, Runtimes, Start};
use crate::{database, logging, output, secret_env, span};

const EXAMPLES: &str = "\
Examples:
  enginehouse serve
  enginehouse serve --home /srv/enginehouse --listen 0.0.0.0:4000
  enginehouse serve --admin-listen 0.0.0.0:7860 --admin-allow 10.1.0.0/16
  ENGINEHOUSE_MASTER_KEY_FILE=/run/secrets/master enginehouse serve --log-format json
  enginehouse serve --role manager & enginehouse serve --role gateway
  ENGINEHOUSE_DATABASE_URL_FILE=/run/secrets/database enginehouse serve

With --role, the planes run apart on one home: the gateway serves clients, also while the manager is away, and the
manager does all the rest. Give both the same --listen: the manager shows it to people.

Ctrl-C stops the engines too; SIGTERM leaves them for the next start; --stop-engines always or never says otherwise. A
second signal ends at once. A gateway that ends touches no engine.

The store is SQLite in the home, or the PostgreSQL database that ENGINEHOUSE_DATABASE_URL (or the file that
ENGINEHOUSE_DATABASE_URL_FILE names) says, as postgres://user:password@host:5432/database?sslmode=verify-full.";

/// Flags of `serve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Where clients connect
    #[arg(long, value_name = "ADDR", default_value = super::CLIENT_LISTEN)]
    listen: SocketAddr,
    /// Where administrators connect; beyond this machine only once an account has a password, and in plain HTTP
    #[arg(long, value_name = "ADDR", default_value = super::ADMIN_LISTEN)]
    admin_listen: SocketAddr,
    /// Networks from which administrators may connect, as 10.1.0.0/16; all if none is given, and always this machine
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    admin_allow: Vec<IpNet>,
    /// Which planes run in this process
    #[arg(long, value_enum, default_value_t = Role::All)]
    role: Role,
    /// How long requests that run may go on after the first signal
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = span::duration)]
    grace: Duration,
    /// When the end of the service ends its engines too; those left running are adopted by the next start
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = StopEngines::OnInterrupt)]
    stop_engines: StopEngines,
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

/// When the end of the service ends its engines too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StopEngines {
    /// On Ctrl-C (SIGINT), not on SIGTERM or SIGHUP
    OnInterrupt,
    /// On whatever ends it in order
    Always,
    /// Not even on Ctrl-C
    Never,
}

// === impl StopEngines ===

impl StopEngines {
    fn applies(self, stop: Stop) -> bool {
        match self {
            Self::OnInterrupt => stop == Stop::Person,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// What the environment holds for us.
struct FromEnvironment {
    given: Given,
    database: Option<PostgresUrl>,
}

/// Runs the service until a signal ends it.
pub(crate) fn run(globals: &Globals, args: ServeArgs) -> anyhow::Result<()> {
    logging::start(globals, "info")?;
    let home = Home::resolve(globals)?;
    let environment = FromEnvironment {
        given: Given {
            master_key: secret_env::read("ENGINEHOUSE_MASTER_KEY")?,
            admin_password: secret_env::read("ENGINEHOUSE_ADMIN_PASSWORD")?,
            secret_keys: secret_env::keyring()?,
        },
        database: database::from_environment(&home)?,
    };
    // Before there is a second thread: those that exist already would stay root.
    home.act_as_owner()?;
    raise_open_files();
    Runtimes::build()?.run(async |rest| serve(&home, args, environment, rest).await)
}

async fn serve(home: &Home, args: ServeArgs, environment: FromEnvironment, rest: Handle) -> anyhow::Result<()> {
    let lifecycle = Lifecycle::install()?;
    let planes = start(home, &args, environment, (&lifecycle, rest)).await?;
    if planes.admin.is_some_and(|admin| !admin.ip().is_loopback()) {
        tracing::warn!("the admin port is open to other machines in plain HTTP: put a proxy with TLS before it");
    }
    let admin = planes.admin.map(tracing::field::display);
    tracing::info!(home = %home.path().display(), role = ?args.role, client = %planes.client, admin, "serving");
    let stop = lifecycle.stopped().await;
    finish(planes, &lifecycle, args.stop_engines.applies(stop), args.grace).await
}

async fn start(
    home: &Home,
    args: &ServeArgs,
    environment: FromEnvironment,
    (lifecycle, rest): (&Lifecycle, Handle),
) -> anyhow::Result<Planes> {
    let FromEnvironment { given, database } = environment;
    let client = || bind(args.listen, "client", "--listen");
    let admin = async || {
        let listener = bind(args.admin_listen, "admin", "--admin-listen").await?;
        anyhow::Ok(AdminPort { listener, networks: args.admin_allow.iter().copied().collect() })
    };
    let books = ledger::Options { segment_bytes: args.books_segment_bytes, ..ledger::Options::default() };
    let (home, hand_over) = (home.clone(), hand_over as _);
    match args.role {
        Role::All => {
            let (client, admin) = (client().await?, admin().await?);
            let start = Start { home, database, client, admin, given, hand_over, books, rest };
            Planes::both(start, lifecycle).await
        }
        Role::Manager => {
            let (client, admin) = (args.listen, admin().await?);
            let start = ManagerStart { home, database, admin, client, given, hand_over, rest };
            Planes::manager(start, lifecycle).await
        }
        Role::Gateway => Planes::gateway(
            GatewayStart { home, client: client().await?, secret_keys: given.secret_keys, books, rest },
            lifecycle,
        ),
    }
}

/// Lets running requests end, then the planes; a second signal ends the wait, and is a failure.
pub(super) async fn finish(
    planes: Planes,
    lifecycle: &Lifecycle,
    stop_engines: bool,
    grace: Duration,
) -> anyhow::Result<()> {
    if lifecycle.drain(grace).await == Drained::Overdue {
        tracing::warn!(?grace, "requests still ran after the grace; they are cut off");
    }
    let ended = lifecycle.hard.run_until_cancelled(planes.end(stop_engines)).await;
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

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let one = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| one())
        .map_err(|_| "not a network such as 10.1.0.0/16 or 2001:db8::/32, nor an address".to_owned())
}

/// Shows secrets that were just made: on a terminal, or else where the files are that hold them. Never in the log.
fn hand_over(home: &Home, made: &Made) -> anyhow::Result<()> {
    if let Some(key) = &made.master_key {
        show(home, "Master key", "master.key", key)?;
    }
    if let Some(password) = &made.admin_password {
        show(home, "Password of the account admin", "admin.password", password)?;
    }
    Ok(())
}

fn show(home: &Home, what: &str, file: &str, secret: &Secret) -> anyhow::Result<()> {
    let path = home.path().join(file);
    if io::stderr().is_terminal() {
        output::note(&format!("\n{what}, shown this once:\n\n  {}\n", secret.expose()));
        fs::remove_file(&path).with_context(|| format!("cannot remove {}, which holds it too", path.display()))?;
    } else {
        tracing::info!(path = %path.display(), "{what} was made; read it there, then delete the file");
    }
    Ok(())
}

/// As many open files as the system allows: each request needs two.
fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        tracing::warn!(?current, ?maximum, "the limit of open files cannot be raised");
    }
}
