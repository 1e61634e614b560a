//! What is or may be a secret, by what it is called and by what it looks like.

use crate::environment_variable;

mod name;
mod text;
mod words;

pub use name::is_secret_name;
pub use text::is_secret_text;
pub use words::secret_words;

pub(crate) use name::parts;

/// Characters that quote a value inside a text.
const QUOTES: [char; 2] = ['"', '\''];

/// Whether a value under this name is or may be a secret in the clear. A reference to the environment is none.
///
/// ```
/// assert!(spec::is_secret_entry("HF_TOKEN", "hf_1"));
/// assert!(spec::is_secret_entry("DATABASE_URL", "postgres://u:pw@h/d"));
/// assert!(!spec::is_secret_entry("HF_TOKEN", "os.environ/HF_TOKEN"));
/// ```
pub fn is_secret_entry(name: &str, value: &str) -> bool {
    if value.is_empty() || environment_variable(value).is_some() {
        return false;
    }
    is_secret_text(value) || (is_secret_name(name) && !is_file(name, value))
}

/// Whether it is the path of a file with the secret, as `GOOGLE_APPLICATION_CREDENTIALS` and `--ssl-key` take it.
fn is_file(name: &str, value: &str) -> bool {
    let is_of_file = ["key", "credential", "credentials"].map(Some).contains(&parts(name).last().map(String::as_str));
    is_of_file && value.starts_with('/') && value.rsplit('/').next().is_some_and(|file| file.contains('.'))
}
