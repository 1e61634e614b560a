use serde_json::Value;

use super::{QUOTES, is_file, is_secret_name, is_secret_text, parts};
use crate::environment_variable;

/// Positions of the words of a command that hold a secret in the clear: one that looks like it, what a flag for a secret
/// is given (`--api-key X`, `--hf-token=X`) and a variable for one (`HF_TOKEN=X`), also within a word that is a script.
///
/// ```
/// let words = ["--api-key", "X", "--port={port}"].map(str::to_owned);
/// assert_eq!(spec::secret_words(&words), [1]);
/// ```
pub fn secret_words(words: &[String]) -> Vec<usize> {
    let mut flag = None;
    let positions = words.iter().enumerate().filter(|(_, word)| holds_secret(word, &mut flag));
    positions.map(|(index, _)| index).collect()
}

/// Whether a word holds one. `flag` is the flag for a secret that stands before it, and afterwards the one at its end.
fn holds_secret<'w>(word: &'w str, flag: &mut Option<&'w str>) -> bool {
    if word.trim().is_empty() {
        *flag = None;
        return false;
    }
    let is_script = word.contains(char::is_whitespace);
    let mut found = is_secret_text(word) || is_secret_json(word);
    for part in word.split_whitespace().map(|part| part.trim_matches(QUOTES)) {
        found |= flag.take().is_some_and(|name| is_in_the_clear(name, part));
        let name = part.trim_start_matches('-');
        match name.split_once('=') {
            Some((name, value)) if part.starts_with('-') || is_variable(name, is_script) => {
                found |= is_secret_name(name) && is_in_the_clear(name, value.trim_matches(QUOTES));
            }
            None if part.starts_with('-') && is_secret_name(name) => *flag = Some(name),
            _ => {}
        }
    }
    found
}

/// Whether `name` of `name=value` is one of a variable or a setting. In a script only variables of the environment are:
/// `key=len` may be code.
fn is_variable(name: &str, is_script: bool) -> bool {
    let fits = |c: char| {
        if is_script {
            c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'
        } else {
            c.is_alphanumeric() || "_.-".contains(c)
        }
    };
    !name.is_empty() && name.chars().all(fits)
}

/// Whether the value under a name for a secret is that secret: no reference, no placeholder, no other flag and none of the
/// special tokens of a tokenizer.
fn is_in_the_clear(name: &str, value: &str) -> bool {
    let is_reference = value.starts_with(['$', '-']) || environment_variable(value).is_some();
    let is_within = |open, close| value.starts_with(open) && value.ends_with(close);
    let is_placeholder = is_within('{', '}') || is_within('<', '>') || is_within('[', ']');
    let is_word = ["", "true", "false", "none", "null"].iter().any(|word| value.eq_ignore_ascii_case(word));
    let of_token = parts(name).last().is_some_and(|last| last == "token");
    let is_number = of_token && value.bytes().all(|byte| byte.is_ascii_digit());
    !(is_reference || is_placeholder || is_word || is_number || is_file(name, value))
}

/// Whether a word is JSON, or a flag with JSON, in which a field for a secret holds one.
fn is_secret_json(word: &str) -> bool {
    let Some(start) = word.find(['{', '[']) else { return false };
    let is_whole = start == 0 || word[..start].ends_with('=');
    is_whole && serde_json::from_str(&word[start..]).is_ok_and(|value: Value| has_secret_field(&value))
}

fn has_secret_field(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(name, value)| match value {
            Value::String(text) => is_secret_name(name) && is_in_the_clear(name, text),
            below => has_secret_field(below),
        }),
        Value::Array(elements) => elements.iter().any(has_secret_field),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(words: &[&str]) -> Vec<usize> {
        secret_words(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_flags_for_secrets_are_given_is_one() {
        assert_eq!(found(&["--api-key", "hunter2"]), [1]);
        for words in [
            "--api-key=hunter2",
            "--hf_token=hunter2",
            "--apikey=hunter2",
            "HF_TOKEN=hunter2",
            "model.api_key=hunter2",
            "exec vllm serve --api-key hunter2 --port 1",
            "HF_TOKEN='hunter2' vllm serve",
            "--auth-password=12345",
            r#"{"a": [{"hf_token": "hunter2"}]}"#,
            r#"--config={"api_key":"hunter2"}"#,
            "--db=postgres://u:hunter2@h/d",
            "Authorization: Bearer hunter2",
            "sk-hunter2",
        ] {
            assert_eq!(found(&["x", words]), [1], "{words}");
        }
    }

    #[test]
    fn flags_that_look_alike_and_values_that_are_none_pass() {
        for words in [
            &["--tokenizer", "org/x", "--tokenizer-mode", "auto", "--tool-call-parser", "hermes"][..],
            &["--max-num-batched-tokens", "8192", "--max-tokens=5", "--tokens", "30"],
            &["--api-key", "{name}", "--api-key={port}", "--api-key", "--port", "1"],
            &[
                "--eos-token",
                "</s>",
                "--pad-token=[PAD]",
                "--stop-token",
                "2",
                "--ssl-keyfile",
                "x",
                "--ssl-key",
                "/tls/key.pem",
            ],
            &["sh", "-c", "exec x --api-key \"$KEY\" --token=${TOKEN}"],
            &["python3", "-c", "sorted(xs, key=len)", r#"{"eos_token": "</s>"}"#, "{not json", "--api-key", "", "x"],
            &["--api-key", "os.environ/KEY"],
        ] {
            assert_eq!(found(words), [0; 0], "{words:?}");
        }
    }
}
