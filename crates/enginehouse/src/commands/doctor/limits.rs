use rustix::process::{Resource, getrlimit};

use super::Check;

const NAME: &str = "open files";
/// Two descriptors a request (client and engine), with room for a few thousand streams.
const ENOUGH: u64 = 65_536;

/// Whether enough connections can be open at once. `serve` raises the soft limit to the hard one by itself.
pub(super) fn check() -> Check {
    judge(getrlimit(Resource::Nofile).maximum)
}

fn judge(hard: Option<u64>) -> Check {
    match hard {
        Some(limit) if limit < ENOUGH => Check::warn(
            NAME,
            format!("at most {limit}: about {} requests at once", limit / 2),
            "raise it: LimitNOFILE=1048576 in the service, or /etc/security/limits.d",
            "operations.md#open-files",
        ),
        Some(limit) => Check::ok(NAME, format!("up to {limit}")),
        None => Check::ok(NAME, "no limit"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn few_descriptors_are_a_warning() {
        assert_eq!(judge(Some(1_024)).verdict, Verdict::Warn);
        assert_eq!(judge(Some(1_048_576)).verdict, Verdict::Ok);
        assert_eq!(judge(None).verdict, Verdict::Ok);
    }
}
