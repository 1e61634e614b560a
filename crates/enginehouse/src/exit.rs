//! Exit status: 0 done, 1 failed, 2 wrong usage; and what is printed on the way out.

use std::io;
use std::process::ExitCode;

use crate::output;

/// The command line made sense to the parser, but not to the command: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// The command has already printed why it failed: exit status 1 and nothing more.
#[derive(Debug, thiserror::Error)]
#[error("failed, as printed above")]
pub(crate) struct AlreadyReported;

/// Prints why the program failed; the exit status to end with.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        // `enginehouse usage | head`: the reader has what it wanted.
        return ExitCode::SUCCESS;
    }
    if error.is::<AlreadyReported>() {
        return ExitCode::FAILURE;
    }
    output::note(&format!("error: {error:#}"));
    if error.is::<UsageError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<output::WriteError>())
        .any(|e| e.0.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn wrong_usage_is_two_and_the_rest_one() {
        let code = |error: anyhow::Error| format!("{:?}", report(&error));
        assert_eq!(code(UsageError("no".to_owned()).into()), format!("{:?}", ExitCode::from(2)));
        assert_eq!(code(anyhow!("disk full")), format!("{:?}", ExitCode::FAILURE));
        assert_eq!(code(AlreadyReported.into()), format!("{:?}", ExitCode::FAILURE));
        let gone = output::WriteError(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(code(gone.into()), format!("{:?}", ExitCode::SUCCESS));
    }
}
