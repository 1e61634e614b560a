use std::fmt;
use std::path::PathBuf;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// Two files of SQLite in this folder.
    Home(PathBuf),
    /// A database of PostgreSQL.
    Postgres(PostgresUrl),
}

/// How a database of PostgreSQL is reached. Shown without its password.
#[derive(Clone)]
pub struct PostgresUrl {
    options: Box<PgConnectOptions>,
    shown: String,
}

/// An URL that does not name a database of PostgreSQL. Holds nothing of the URL: there may be a password in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It names something else.
    #[error("it must begin with postgres:// or postgresql://, as postgres://user:password@host:5432/database")]
    Scheme,
    /// It names a server without a database.
    #[error("it names no database; write postgres://user:password@host:5432/database")]
    NoDatabase,
    /// It names several servers.
    #[error(
        "it names several servers, and only one can be known: name an address that always leads to the primary one, such as \
         one that moves with it, or a proxy's"
    )]
    SeveralHosts,
    /// It cannot be read.
    #[error("it is not a valid URL of PostgreSQL (percent-encode special characters in the password): {0}")]
    Unreadable(&'static str),
}

/// What this program is called among the connections of the server.
const APPLICATION: &str = "enginehouse";

// === impl PostgresUrl ===

impl PostgresUrl {
    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Says in the server's list of connections whose they are; the server cuts it after 63 bytes.
    #[must_use]
    pub fn named(mut self, who: &str) -> Self {
        *self.options = self.options.application_name(&format!("{APPLICATION} {who}"));
        self
    }
}

impl std::str::FromStr for PostgresUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(UrlError::Scheme);
        }
        if names_several_hosts(url) {
            return Err(UrlError::SeveralHosts);
        }
        // What is wrong with it is told in general words: an error could quote a part of the password.
        let options: PgConnectOptions = url.parse().map_err(|error| match error {
            sqlx::Error::Configuration(_) => UrlError::Unreadable("check host, port and options such as sslmode"),
            _ => UrlError::Unreadable("check every part"),
        })?;
        let database = options.get_database().filter(|name| !name.is_empty()).ok_or(UrlError::NoDatabase)?;
        let place = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        let shown = format!("database {database} of {} at {place}", options.get_username());
        let options = options.application_name(APPLICATION).disable_statement_logging();
        Ok(Self { options: Box::new(options), shown })
    }
}

/// `a:5432,b:5432` as the server, or as the parameter `host`: what other clients try one after the other.
fn names_several_hosts(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split('/').next().unwrap_or_default();
    let hosts = authority.rsplit('@').next().unwrap_or_default();
    let is_several = |text: &str| text.contains(',') || text.to_ascii_lowercase().contains("%2c");
    is_several(hosts) || query.split('&').filter_map(|pair| pair.strip_prefix("host=")).any(is_several)
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({})", self.shown)
    }
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        self.shown == other.shown
    }
}

impl Eq for PostgresUrl {}

// === impl Location ===

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Home(home) => write!(f, "SQLite in {}", home.display()),
            Self::Postgres(url) => write!(f, "PostgreSQL, {url}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for url in
            ["postgres://ann:s3cret@db.example:6432/house?sslmode=require", "postgresql://ann:s3cret@[::1]/house"]
        {
            let url: PostgresUrl = url.parse().unwrap();
            let shown =
                format!("{url} {url:?} {} {:?}", Location::Postgres(url.clone()), Location::Postgres(url.clone()));
            assert!(!shown.contains("s3cret") && shown.contains("database house of ann at"), "{shown}");
        }
        for url in ["postgres://a:s3cret@h:port/db", "postgres://a:s3cret@h/db?sslmode=s3cret", "mysql://a:s3cret@h/db"]
        {
            let error = url.parse::<PostgresUrl>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
        assert_eq!("postgres://a@h".parse::<PostgresUrl>(), Err(UrlError::NoDatabase));
        for url in ["postgres://a:p,w@h:1,i:2/db", "postgres://a@h,i/db", "postgres://a@h/db?x=1&host=/a,/b"] {
            assert_eq!(url.parse::<PostgresUrl>(), Err(UrlError::SeveralHosts), "{url}");
        }
        "postgres://a:p,w@h/db".parse::<PostgresUrl>().unwrap();
    }
}
