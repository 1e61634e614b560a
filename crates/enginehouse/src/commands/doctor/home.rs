use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Check;
use crate::home::Home;

const NAME: &str = "home";
const GUIDE: &str = "operations.md#home";
/// Files that nobody but the owner may read.
const PRIVATE: [&str; 5] = ["config.json", "secret.key", "enginehouse.db", "ledger.db", "master.key"];

/// Whether the home is there, can be written, and keeps its secrets.
pub(super) fn check(home: &Home) -> Vec<Check> {
    let shown = home.path().display();
    let Ok(meta) = fs::metadata(home.path()) else {
        return vec![Check::info(NAME, format!("{shown} is not there yet: `serve` makes it"))];
    };
    let mut checks = vec![writable(home, meta.uid())];
    if meta.mode() & 0o022 != 0 {
        let advice = format!("chmod go-w {shown}");
        checks.push(Check::fail(
            NAME,
            format!("others can write {shown}, and so replace what lies in it"),
            &advice,
            GUIDE,
        ));
    }
    checks.extend(open_doors(home.path()).into_iter().map(|path| {
        let advice = format!("chmod go-rwx {path}");
        Check::fail(NAME, format!("others may read {path}"), &advice, GUIDE)
    }));
    checks
}

fn writable(home: &Home, owner: u32) -> Check {
    let shown = home.path().display();
    let probe = home.path().join(format!(".doctor-{}", std::process::id()));
    let written = fs::write(&probe, b"x").and_then(|()| fs::remove_file(&probe));
    match written {
        Ok(()) => Check::ok(NAME, shown.to_string()),
        Err(error) => {
            let advice = format!("it belongs to user {owner}: run this as that user, or mend the disk");
            Check::fail(NAME, format!("{shown} cannot be written: {error}"), &advice, GUIDE)
        }
    }
}

/// What of the home others may read.
fn open_doors(home: &Path) -> Vec<String> {
    let open = |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o007 != 0);
    let files = PRIVATE.iter().map(|name| home.join(name)).filter(|path| open(path));
    files.map(|path| path.display().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_secret_that_others_may_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let secret = folder.path().join("secret.key");
        fs::write(&secret, "x").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
        let checks = check(&home);
        assert_eq!(checks.iter().map(|check| check.verdict).collect::<Vec<_>>(), [Verdict::Ok, Verdict::Fail]);
        assert!(checks[1].advice.contains("secret.key"), "{checks:?}");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(check(&home).len(), 1);
    }

    #[test]
    fn a_home_that_others_can_write_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, verdicts) in [(0o777, 2), (0o770, 2), (0o755, 1), (0o700, 1)] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            let checks = check(&Home::at(folder.path()));
            assert_eq!(checks.len(), verdicts, "{mode:o}: {checks:?}");
            assert_eq!(checks.last().unwrap().verdict == Verdict::Fail, verdicts == 2, "{mode:o}");
        }
    }

    #[test]
    fn a_home_that_is_not_there_is_no_fault() {
        assert_eq!(check(&Home::at("/nowhere/at/all"))[0].verdict, Verdict::Info);
    }
}
