use std::fmt;
use std::str::FromStr;

/// The program that a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// LiteLLM's proxy, in front of the engines and endpoints.
    Litellm,
    /// Caddy, in front of Enginehouse.
    Caddyfile,
    /// nginx, in front of Enginehouse.
    Nginx,
    /// Prometheus, which asks Enginehouse and its engines for metrics.
    Prometheus,
    /// Docker Compose, which runs Enginehouse and what may stand beside it.
    Compose,
}

/// There is no such target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownTarget;

// === impl Target ===

impl Target {
    /// All of them, in the order in which people list them.
    pub const ALL: [Self; 5] = [Self::Litellm, Self::Caddyfile, Self::Nginx, Self::Prometheus, Self::Compose];

    /// The word in commands and paths.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Litellm => "litellm",
            Self::Caddyfile => "caddyfile",
            Self::Nginx => "nginx",
            Self::Prometheus => "prometheus",
            Self::Compose => "compose",
        }
    }

    /// The file's name.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Litellm => "litellm-config.yaml",
            Self::Caddyfile => "Caddyfile",
            Self::Nginx => "nginx.conf",
            Self::Prometheus => "prometheus.yml",
            Self::Compose => "compose.yaml",
        }
    }

    /// How to use the file, in a line.
    pub(crate) const fn usage(self) -> &'static str {
        match self {
            Self::Litellm => "litellm --config litellm-config.yaml --port 4001",
            Self::Caddyfile => "ENGINEHOUSE_SITE=llm.example.org caddy run --config Caddyfile",
            Self::Nginx => "nginx -c /path/to/nginx.conf",
            Self::Prometheus => {
                "prometheus --config.file=prometheus.yml, with the token in enginehouse.token beside it"
            }
            Self::Compose => "docker compose -f compose.yaml up -d",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(word: &str) -> Result<Self, UnknownTarget> {
        Self::ALL.into_iter().find(|target| target.as_str() == word).ok_or(UnknownTarget)
    }
}

// === impl UnknownTarget ===

impl fmt::Display for UnknownTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Target::ALL.map(Target::as_str);
        write!(f, "there is nothing to render by this name; give one of {}", words.join(", "))
    }
}

impl std::error::Error for UnknownTarget {}
