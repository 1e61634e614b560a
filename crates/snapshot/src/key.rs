use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ambient::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{KeyRouting, Limits, Spent};

/// Id under which the master key's requests stand in the books.
pub const MASTER_KEY_ID: &str = "master";

/// SHA-256 of a whole key (`sk-…`); all that is kept of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyHash([u8; 32]);

/// What a key is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// The mediated routes: `/v1/*`.
    #[default]
    Virtual,
    /// The direct routes: `/models/<name>/v1/*`.
    Direct,
}

/// A key as the gateway sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// Lasts for the life of the key, also through rotation.
    pub id: Arc<str>,
    /// Hash of the secret that clients present.
    pub hash: KeyHash,
    /// What it is good for.
    pub kind: KeyKind,
    /// Name given by people.
    pub alias: Option<String>,
    /// Models that it may use; empty allows all.
    pub models: Vec<String>,
    /// Names that stand for models when this key says them.
    pub aliases: BTreeMap<String, String>,
    /// Id of the team that it belongs to.
    pub team: Option<Arc<str>>,
    /// What it may use.
    pub limits: Limits,
    /// What it had spent by the books.
    pub spent: Spent,
    /// Further tries after a failed one, where that differs from the settings.
    pub retries: Option<u32>,
    /// What else it has in place of what holds for everybody; most have nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<Box<KeyRouting>>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// Whether it is blocked.
    pub blocked: bool,
}

// === impl KeyHash ===

impl KeyHash {
    /// The hash of a key as clients present it.
    pub fn of(key: &str) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(digest.as_ref());
        Self(hash)
    }
}

impl fmt::Display for KeyHash {
    /// Lower-case hex, as LiteLLM's `token`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyHash {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash)?;
        Ok(Self(hash))
    }
}

impl TryFrom<String> for KeyHash {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<KeyHash> for String {
    fn from(hash: KeyHash) -> Self {
        hash.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_lower_case_hex_sha_256_of_the_whole_key() {
        let hash = KeyHash::of("abc");
        assert_eq!(hash.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hash.to_string().parse::<KeyHash>().unwrap(), hash);
        assert!("zz".parse::<KeyHash>().is_err());
    }
}
