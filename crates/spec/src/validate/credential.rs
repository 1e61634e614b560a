use std::collections::HashMap;

use super::environment;
use crate::{Credential, fault::Scope, limits, quote::Quoted};

/// What is wrong with the secret says nothing of what it is.
pub(super) fn check<'d>(here: &mut Scope<'_>, credential: &'d Credential, names: &mut HashMap<&'d str, String>) {
    let Credential { name, provider: _, secret } = credential;
    if !is_name(name) {
        let most = limits::ID_CHARS;
        here.field("name")
            .fault(format!("name is {}; give 1 to {most} lower-case letters, digits and `-`", Quoted(name)));
    }
    if let Some(first) = names.get(name.as_str()) {
        let message = format!("name is {}, as at {first}; give each credential a name of its own", Quoted(name));
        here.field("name").fault(message);
    }
    let place = here.path().to_owned();
    names.entry(name).or_insert(place);
    let mut here = here.field("secret");
    let text = secret.expose();
    if text.trim().is_empty() {
        here.fault("secret is empty; give `os.environ/NAME`, or the secret");
    }
    if text.len() > limits::SECRET_BYTES {
        here.fault(format!("secret has {} bytes; at most {} are kept", text.len(), limits::SECRET_BYTES));
    }
    // It is presented in a header.
    if text.chars().any(char::is_control) {
        here.fault("secret holds a line break or another control character, which no header can carry");
    }
    environment::check(&mut here, "secret", text);
}

/// Whether a text can be the name of a credential.
pub(super) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=limits::ID_CHARS).contains(&text.len()) && text.chars().all(fits)
}
