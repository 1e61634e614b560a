use std::net::SocketAddr;

use clap::Args;
use serde_json::json;

use crate::cli::Globals;
use crate::exit::{AlreadyReported, UsageError};
use crate::home::Home;
use crate::{logging, output};

mod check;
mod clock;
mod database;
mod disk;
mod docker;
mod gpu;
mod home;
mod limits;
mod ports;
mod service;

use check::{Check, Verdict};

const EXAMPLES: &str = "\
Examples:
  enginehouse doctor
  enginehouse doctor --json | jq '.checks[] | select(.verdict == \"fail\")'

Exit status 1 if any check fails; warnings are not failures.";

/// Flags of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// Address of the client port to look at
    #[arg(long, value_name = "ADDR", default_value = super::CLIENT_LISTEN)]
    listen: SocketAddr,
    /// Address of the admin port to look at
    #[arg(long, value_name = "ADDR", default_value = super::ADMIN_LISTEN)]
    admin_listen: SocketAddr,
    /// Print the checks as JSON
    #[arg(long)]
    json: bool,
}

/// Looks at the machine, the home and the service, and says what to do about what is wrong.
pub(crate) fn run(globals: &Globals, args: &DoctorArgs) -> anyhow::Result<()> {
    logging::start(globals, "warn")?;
    super::one_thread()?.block_on(look(globals, args))
}

async fn look(globals: &Globals, args: &DoctorArgs) -> anyhow::Result<()> {
    if globals.server.is_some() {
        return Err(UsageError("doctor looks at this machine; run it where the service runs".to_owned()).into());
    }
    let home = Home::resolve(globals)?;
    let service = service::Service::find(&home).await;
    let mut checks = home::check(&home);
    checks.push(disk::check(&home));
    checks.push(clock::check(&home));
    checks.push(limits::check());
    checks.extend(service.checks());
    checks.extend(ports::check(args, service.is_running()).await);
    checks.extend(database::check(&home).await);
    checks.push(gpu::check().await);
    checks.push(docker::check().await);
    print(&checks, args.json)?;
    if checks.iter().any(|check| check.verdict == Verdict::Fail) { Err(AlreadyReported.into()) } else { Ok(()) }
}

fn print(checks: &[Check], as_json: bool) -> anyhow::Result<()> {
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (failed, warned) = (count(Verdict::Fail), count(Verdict::Warn));
    if as_json {
        return Ok(output::json(&json!({"failed": failed, "warned": warned, "checks": checks}))?);
    }
    for check in checks {
        output::data(&check.to_string())?;
    }
    let summary = format!("{} checks: {failed} failed, {warned} to look at", checks.len());
    Ok(output::data(&summary)?)
}
