/// The last words of names that secrets have.
const SECRETS: [&str; 11] = [
    "key",
    "apikey",
    "token",
    "secret",
    "password",
    "passwd",
    "pass",
    "passphrase",
    "authorization",
    "credential",
    "credentials",
];

/// Whether what bears this name holds a secret: its last word is one for it, as in `OPENAI_API_KEY` and `--hf-token`.
pub fn is_secret_name(name: &str) -> bool {
    parts(name).last().is_some_and(|last| SECRETS.contains(&last.as_str()))
}

/// The words of a name in lower case: `api`, `key` of `API_KEY`, `api-key` and `apiKey`.
pub(crate) fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        let is_between = !c.is_alphanumeric();
        if is_between || (was_lower && c.is_uppercase()) {
            parts.push(String::new());
        }
        if !is_between && let Some(part) = parts.last_mut() {
            part.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        let secret = [
            "HF_TOKEN",
            "OPENAI_API_KEY",
            "db_password",
            "A_SECRET",
            "TOKEN",
            "hf-token",
            "accessToken",
            "PGPASS_PASSWD",
            "DB_PASS",
            "PASSPHRASE",
            "AUTHORIZATION",
            "APP_CREDENTIAL",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "apikey",
        ];
        for name in secret {
            assert!(is_secret_name(name), "{name}");
        }
        let others = [
            "TOKENIZERS_PARALLELISM",
            "MONKEY",
            "KEY_FILE",
            "",
            "_",
            "max-num-batched-tokens",
            "tokenizer",
            "BYPASS",
            "tool-call-parser",
            "tokenizer-mode",
            "ssl-keyfile",
        ];
        for name in others {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
