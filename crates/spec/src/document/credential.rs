use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::Provider;
use crate::{environment_variable, limits};

/// A secret that endpoints want presented, by a name that they refer to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: a credential")]
pub struct Credential {
    /// Its name; lower-case letters, digits and `-`.
    #[schemars(regex(pattern = "^[a-z0-9-]{1,64}$"))]
    pub name: String,
    /// Whose it is; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// The secret: `os.environ/NAME`; or the text itself, which is sealed before anything keeps it; or `***` for what is
    /// kept already.
    pub secret: SecretText,
}

/// What a credential holds: a reference to the environment, a sealed text, or, until it is sealed, the secret itself.
#[derive(Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct SecretText(#[schemars(length(min = 1, max = limits::SECRET_BYTES))] String);

/// Reads a string, and says of anything else what it should be, never what it was.
struct SecretVisitor;

// === impl SecretText ===

impl SecretText {
    /// What a sealed text begins with.
    pub const SEALED: &str = "sealed:";

    /// From its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text, which may be the secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is a sealed text.
    pub fn is_sealed(&self) -> bool {
        self.0.starts_with(Self::SEALED)
    }

    /// Whether it stands for what is kept already.
    pub fn is_mask(&self) -> bool {
        self.0 == crate::MASK
    }

    /// The variable that it refers to.
    pub fn variable(&self) -> Option<&str> {
        environment_variable(&self.0)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.variable().is_some() { &self.0 } else { crate::MASK })
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By `any`, so that a number gets here instead of into a message.
        deserializer.deserialize_any(SecretVisitor)
    }
}

// === impl SecretVisitor ===

impl SecretVisitor {
    fn refusal<E: de::Error>() -> E {
        E::custom("expected a string: `os.environ/NAME`, or the secret in quotes")
    }
}

impl<'de> de::Visitor<'de> for SecretVisitor {
    type Value = SecretText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string: `os.environ/NAME`, or the secret in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretText, E> {
        Ok(SecretText::new(text))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<SecretText, E> {
        Err(Self::refusal())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretText, E> {
        Err(Self::refusal())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<SecretText, E> {
        Err(Self::refusal())
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<SecretText, E> {
        Err(Self::refusal())
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<SecretText, E> {
        Err(Self::refusal())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretText, E> {
        Err(Self::refusal())
    }

    fn visit_unit<E: de::Error>(self) -> Result<SecretText, E> {
        Err(Self::refusal())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<SecretText, A::Error> {
        Err(Self::refusal())
    }

    fn visit_map<A: de::MapAccess<'de>>(self, _: A) -> Result<SecretText, A::Error> {
        Err(Self::refusal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, parse};

    #[test]
    fn a_secret_is_in_no_message_and_in_no_debug_output() {
        for wrong in ["31415926535", "true", "[31415926535]", "{a: 31415926535}", "3.1415926535", "null"] {
            let text = format!("version: 1\ncredentials:\n  - name: a\n    secret: {wrong}\n");
            let json = format!(
                "{{\"version\":1,\"credentials\":[{{\"name\":\"a\",\"secret\":{}}}]}}",
                wrong.replace("{a:", "{\"a\":")
            );
            for (text, format) in [(text, Format::Yaml), (json, Format::Json)] {
                let Err(error) = parse(&text, format) else { continue };
                assert!(!error.to_string().contains("1415926535"), "{error}");
            }
        }
        let credential = Credential { name: "a".into(), provider: None, secret: SecretText::new("sk-plain") };
        assert!(!format!("{credential:?}").contains("sk-plain"));
    }
}
