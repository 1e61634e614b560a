use crate::secret::parts;

/// Words of names that secrets have, wherever they stand in the name.
const SECRETS: [&str; 15] = [
    "pass",
    "passwd",
    "password",
    "passphrase",
    "token",
    "secret",
    "cookie",
    "cookies",
    "auth",
    "authorization",
    "webhook",
    "credential",
    "credentials",
    "apikey",
    "secrets",
];
/// Last words of names of what is about a secret and none.
const ABOUT: [&str; 12] =
    ["name", "type", "header", "field", "url", "uri", "endpoint", "endpoints", "system", "strategy", "mode", "method"];
/// A setting that names a function.
const FUNCTION: &str = "custom_auth";

/// Whether a setting of this name holds a secret: `pass`, `token_x`, `db_password`, `api_key`.
pub(super) fn is_secret(name: &str) -> bool {
    let parts = parts(name);
    let is = |word: &str| parts.iter().any(|part| part == word);
    let ends = |words: &[&str]| parts.last().is_some_and(|last| words.contains(&last.as_str()));
    if is("webhook") || ends(&["key"]) {
        return true;
    }
    name != FUNCTION && !ends(&ABOUT) && SECRETS.iter().any(|word| is(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_by_their_parts() {
        for name in [
            "pass",
            "token_x",
            "api_key",
            "API-KEY",
            "key",
            "Cookie",
            "Set-Cookie",
            "authorization",
            "smtp_auth",
            "webhook_url",
            "redis_passwd",
            "vault_credential",
            "x-auth-token",
            "accessToken",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "master",
            "max_tokens",
            "key_alias",
            "litellm_key_header_name",
            "credential_name",
            "auth_type",
            "token_url",
            "bypass",
            "custom_auth",
            "pass_through_endpoints",
            "key_management_system",
            "author",
            "tokenizer",
            "keyword",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
