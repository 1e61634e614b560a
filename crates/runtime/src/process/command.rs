use std::env;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use super::environment::environment;
use crate::Launch;

/// The command as it is spawned.
pub(super) fn command(launch: &Launch, program: &str, log: File) -> io::Result<Command> {
    let mut command = Command::new(program);
    command
        .args(&launch.argv[1..])
        .env_clear()
        .envs(environment(env::vars_os(), &launch.env))
        .current_dir(&launch.working_dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // A group of its own: Ctrl-C at our terminal does not reach it, and all that it starts ends with it.
        .process_group(0);
    Ok(command)
}
