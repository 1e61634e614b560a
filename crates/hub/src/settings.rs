use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use std::{fmt, fs};

use url::Url;

/// Where the Hub is unless told otherwise.
const HUB: &str = "https://huggingface.co";
/// Bytes that a file with a token may have.
const MAX_TOKEN_BYTES: u64 = 4 << 10;

/// Where to fetch from, as whom, and where to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of the cache.
    pub cache: PathBuf,
    /// The Hub or a mirror of it.
    pub endpoint: Endpoint,
    /// Presented to the endpoint, and to nobody else.
    pub token: Option<Token>,
    /// Whether `HF_HUB_OFFLINE` forbids to fetch anything.
    pub offline: bool,
    /// Files that are fetched at once.
    pub parallel: usize,
    /// How long to try.
    pub patience: Patience,
}

/// How long to try before giving up.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Tries in a row that bring nothing new.
    pub attempts: u32,
    /// Before the second try; doubles from then on.
    pub first_wait: Duration,
    /// Waits are never longer, whatever a server asks for.
    pub longest_wait: Duration,
    /// Silence after which a connection counts as dead.
    pub stall: Duration,
}

/// The address of the Hub or a mirror of it, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Url);

/// What says who we are.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// The environment cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// An address that is none.
    #[error("`{0}` is no address of a hub (HF_ENDPOINT): write it as https://HOST, without a user and a query")]
    Endpoint(String),
    /// There is no place for the cache.
    #[error("no home folder is known for this user: set HF_HOME to the folder for models")]
    NoHome,
    /// A token that no header can carry.
    #[error("the token holds characters that tokens of the Hub do not have: set HF_TOKEN anew")]
    Token,
}

// === impl Settings ===

impl Settings {
    /// Files that are fetched at once unless told otherwise.
    pub const PARALLEL: usize = 4;

    /// From the variables that Python's `huggingface_hub` reads: `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, `HOME`,
    /// `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`. A token may also lie in a file.
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let get = |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let folder = |name: &str| get(name).map(PathBuf::from);
        let home = || folder("HOME").filter(|path| path.is_absolute());
        let hf_home = folder("HF_HOME")
            .or_else(|| folder("XDG_CACHE_HOME").map(|path| path.join("huggingface")))
            .or_else(|| home().map(|path| path.join(".cache/huggingface")));
        let cache = folder("HF_HUB_CACHE").or_else(|| folder("HUGGINGFACE_HUB_CACHE"));
        let cache = cache.or_else(|| hf_home.as_ref().map(|path| path.join("hub"))).ok_or(SettingsError::NoHome)?;
        let token_file = folder("HF_TOKEN_PATH").or_else(|| hf_home.map(|path| path.join("token")));
        let token = get("HF_TOKEN").or_else(|| get("HUGGING_FACE_HUB_TOKEN"));
        let token = token.or_else(|| get("HF_TOKEN_FILE").and_then(|path| read_token(Path::new(&path))));
        let token = token.or_else(|| token_file.and_then(|path| read_token(&path)));
        let is_yes = |value: &String| matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE");
        Ok(Self {
            cache: std::path::absolute(&cache).unwrap_or(cache),
            endpoint: get("HF_ENDPOINT").as_deref().unwrap_or(HUB).parse()?,
            token: token.map(Token::new).transpose()?,
            offline: get("HF_HUB_OFFLINE").as_ref().is_some_and(is_yes),
            parallel: Self::PARALLEL,
            patience: Patience::default(),
        })
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 6,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(120),
            stall: Duration::from_secs(60),
        }
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// `path` begins with a slash.
    pub(crate) fn join(&self, path: &str) -> Option<Url> {
        Url::parse(&format!("{self}{path}")).ok()
    }

    /// Whether an address leads to the same scheme, host and port.
    pub(crate) fn is_origin_of(&self, url: &Url) -> bool {
        self.0.origin() == url.origin()
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl FromStr for Endpoint {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let unfit = || SettingsError::Endpoint(without_secret(text));
        let mut url = Url::parse(text).map_err(|_| unfit())?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() || !is_plain || url.fragment().is_some() {
            return Err(unfit());
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

// === impl Token ===

impl Token {
    /// Refuses what no header can carry.
    pub fn new(text: impl Into<String>) -> Result<Self, SettingsError> {
        let text = text.into();
        let is_fit = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_fit.then_some(Self(text)).ok_or(SettingsError::Token)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// What `hf auth login` left; a file that is not there is no token.
fn read_token(path: &Path) -> Option<String> {
    if fs::metadata(path).ok()?.len() > MAX_TOKEN_BYTES {
        return None;
    }
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Users and passwords stand before an `@`.
fn without_secret(text: &str) -> String {
    crate::repository::shown(text.rsplit('@').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_environment(|name| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_cache_is_where_python_tools_have_it() {
        for (variables, cache) in [
            (&[("HOME", "/home/ann")][..], "/home/ann/.cache/huggingface/hub"),
            (&[("HOME", "/home/ann"), ("XDG_CACHE_HOME", "/c")], "/c/huggingface/hub"),
            (&[("HOME", "/home/ann"), ("HF_HOME", "/models")], "/models/hub"),
            (&[("HF_HOME", "/models"), ("HF_HUB_CACHE", "/hub")], "/hub"),
            (&[("HF_HOME", "/models"), ("HF_HUB_CACHE", "")], "/models/hub"),
        ] {
            assert_eq!(from(variables).unwrap().cache, Path::new(cache), "{variables:?}");
        }
        assert!(matches!(from(&[]), Err(SettingsError::NoHome)));
    }

    #[test]
    fn a_token_comes_from_a_variable_or_a_file_and_never_shows() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        let home = ("HF_HOME", folder.path().to_str().unwrap());
        assert_eq!(from(&[home]).unwrap().token.unwrap().expose(), "hf_file");
        let settings = from(&[home, ("HF_TOKEN", "hf_env")]).unwrap();
        assert_eq!(settings.token.as_ref().unwrap().expose(), "hf_env");
        assert!(!format!("{settings:?}").contains("hf_env"));
        assert!(matches!(from(&[home, ("HF_TOKEN", "a\nb")]), Err(SettingsError::Token)));
    }

    #[test]
    fn an_endpoint_is_an_address_and_no_more() {
        let endpoint = |text: &str| from(&[("HF_HOME", "/m"), ("HF_ENDPOINT", text)]).map(|s| s.endpoint.to_string());
        assert_eq!(endpoint("https://hf-mirror.com/").unwrap(), "https://hf-mirror.com");
        assert_eq!(endpoint("http://host:80/hub/api/").unwrap(), "http://host/hub/api");
        assert_eq!(from(&[("HF_HOME", "/m")]).unwrap().endpoint.to_string(), HUB);
        for text in ["hf-mirror.com", "ftp://host", "https://host?x=1"] {
            assert!(endpoint(text).is_err(), "{text}");
        }
        let refused = endpoint("https://user:secret@host").unwrap_err().to_string();
        assert!(!refused.contains("secret"), "{refused}");
    }
}
