//! Settings and secrets from the environment, each as `NAME` or as a file named by `NAME_FILE`.

use std::{env, fs};

use anyhow::Context as _;
use snapshot::{Keyring, Secret};

use crate::exit::UsageError;

/// Bytes that a file named by `NAME_FILE` may have.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// The value of `NAME`, else the content of the file that `NAME_FILE` names, without surrounding white space.
/// Empty counts as unset. Both at once is an error, as is a file that cannot be read.
pub(crate) fn read(name: &str) -> Result<Option<Secret>, UsageError> {
    read_with(name, |variable| env::var_os(variable).map(|value| value.to_string_lossy().into_owned()))
}

/// The keys in `ENGINEHOUSE_SECRET_KEY`, one a line: the first seals, the others open what they sealed.
pub(crate) fn keyring() -> anyhow::Result<Option<Keyring>> {
    let name = "ENGINEHOUSE_SECRET_KEY";
    read(name)?.as_ref().map(Keyring::new).transpose().context(name)
}

fn read_with(name: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Option<Secret>, UsageError> {
    let set = |variable: &str| environment(variable).filter(|value| !value.is_empty());
    let file_variable = format!("{name}_FILE");
    let text = match (set(name), set(&file_variable)) {
        (Some(_), Some(_)) => return Err(UsageError(format!("both {name} and {file_variable} are set: unset one"))),
        (None, None) => return Ok(None),
        (Some(text), None) => text,
        (None, Some(path)) => read_file(&file_variable, &path)?,
    };
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()).map(Secret::new))
}

fn read_file(variable: &str, path: &str) -> Result<String, UsageError> {
    let fault = |why: String| UsageError(format!("{variable} names {path}, which cannot be read: {why}"));
    let size = fs::metadata(path).map_err(|e| fault(e.to_string()))?.len();
    if size > MAX_FILE_BYTES {
        return Err(fault(format!("{size} bytes are too many for a secret")));
    }
    fs::read_to_string(path).map_err(|e| fault(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let environment = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let read = read_with("TOKEN", environment).map_err(|e| e.to_string())?;
        Ok(read.map(|secret| secret.expose().to_owned()))
    }

    #[test]
    fn the_variable_or_its_file_but_not_both() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "sk-file\n").unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(from(&[]), Ok(None));
        assert_eq!(from(&[("TOKEN", "")]), Ok(None));
        assert_eq!(from(&[("TOKEN", "sk-direct")]), Ok(Some("sk-direct".to_owned())));
        assert_eq!(from(&[("TOKEN_FILE", path)]), Ok(Some("sk-file".to_owned())));
        assert!(from(&[("TOKEN", "a"), ("TOKEN_FILE", path)]).unwrap_err().contains("both TOKEN and TOKEN_FILE"));
        assert!(from(&[("TOKEN_FILE", "/nowhere/token")]).unwrap_err().contains("/nowhere/token"));
    }
}
