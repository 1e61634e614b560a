//! One file per command; this one chooses.

use tokio::runtime::Runtime;

use crate::cli::{Cli, Command, Globals};
use crate::client::{Absent, Client};
use crate::logging;

pub(crate) mod account;
pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod credential;
pub(crate) mod demo;
pub(crate) mod doctor;
mod engine_sim;
pub(crate) mod gpu;
pub(crate) mod housekeeping;
pub(crate) mod hub;
pub(crate) mod image;
pub(crate) mod import;
pub(crate) mod key;
mod limits;
pub(crate) mod model;
pub(crate) mod open;
mod outcome;
pub(crate) mod render;
pub(crate) mod restore;
mod schema;
pub(crate) mod serve;
pub(crate) mod team;
pub(crate) mod token;
pub(crate) mod usage;

/// Where clients connect unless told otherwise.
pub(crate) const CLIENT_LISTEN: &str = "127.0.0.1:4000";
/// Where administrators connect unless told otherwise.
pub(crate) const ADMIN_LISTEN: &str = "127.0.0.1:7860";

/// Runs what was typed.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    let globals = &cli.globals;
    match cli.command {
        Command::Apply(args) => {
            let submission = apply::prepare(&args)?;
            let absent = if args.waits() { Absent::Await } else { Absent::Make };
            with_client(globals, absent, async |client| apply::run(client, args, submission).await)
        }
        Command::Serve(args) => serve::run(globals, args),
        Command::Demo(args) => demo::run(globals, args),
        Command::Schema => schema::run(),
        Command::Model(args) => {
            let absent = if args.is_add() { Absent::Make } else { Absent::Refuse };
            with_client(globals, absent, async |client| model::run(client, args).await)
        }
        Command::Credential(args) => {
            let absent = if args.is_set() { Absent::Make } else { Absent::Refuse };
            with_client(globals, absent, async |client| credential::run(client, args).await)
        }
        Command::Render(args) => with_client(globals, Absent::Refuse, async |client| render::run(client, args).await),
        Command::Open(args) => with_client(globals, Absent::Refuse, async |client| open::run(client, args).await),
        Command::Key(args) => {
            let absent = if args.is_create() { Absent::Make } else { Absent::Refuse };
            with_client(globals, absent, async |client| key::run(client, *args).await)
        }
        Command::Team(args) => {
            let absent = if args.is_create() { Absent::Make } else { Absent::Refuse };
            with_client(globals, absent, async |client| team::run(client, *args).await)
        }
        Command::Account(args) => {
            let request = args.prepare()?;
            let absent = if request.makes() { Absent::Make } else { Absent::Refuse };
            with_client(globals, absent, async |client| account::run(client, request).await)
        }
        Command::Token(args) => with_client(globals, Absent::Refuse, async |client| token::run(client, args).await),
        Command::Audit(args) => with_client(globals, Absent::Refuse, async |client| audit::run(client, args).await),
        Command::Config(args) => {
            let absent = args.absent();
            with_client(globals, absent, async |client| config::run(client, *args).await)
        }
        Command::Usage(args) => with_client(globals, Absent::Refuse, async |client| usage::run(client, args).await),
        Command::Housekeeping(args) => {
            with_client(globals, Absent::Refuse, async |client| housekeeping::run(client, args).await)
        }
        Command::Gpu(args) => gpu::run(globals, &args),
        Command::Image(args) => with_client(globals, Absent::Refuse, async |client| image::run(client, args).await),
        Command::Hub(args) => hub::run(globals, *args),
        Command::Import(args) => {
            let reading = args.read()?;
            if reading.is_dry() {
                return reading.show();
            }
            with_client(globals, Absent::Make, async |client| reading.run(client).await)
        }
        Command::Backup(args) => backup::run(globals, *args),
        Command::Restore(args) => restore::run(globals, *args),
        Command::Doctor(args) => doctor::run(globals, &args),
        Command::Completions(args) => completions::run(&args),
        Command::EngineSim(args) => engine_sim::run(globals, args),
    }
}

/// Runs a command that works through the admin API: quiet logs, and one thread, because threads that were there before
/// root became the home's owner would stay root.
fn with_client(
    globals: &Globals,
    absent: Absent,
    command: impl AsyncFnOnce(&Client) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    logging::start(globals, "warn")?;
    one_thread()?.block_on(async {
        let client = Client::connect(globals, absent).await?;
        let done = command(&client).await;
        client.close().await;
        done
    })
}

fn one_thread() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
