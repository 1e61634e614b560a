use url::Url;

use super::environment;
use crate::{environment_variable, fault::Scope, quote::Quoted};

const EXAMPLE: &str = "give one like `http://127.0.0.1:8000/v1`";

/// The base address of an endpoint. What may be a secret (user, password, query) is in no message.
pub(super) fn check(here: &mut Scope<'_>, text: &str) {
    if environment_variable(text).is_some() {
        return environment::check(here, "url", text);
    }
    if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return here.fault(format!("url holds white space or control characters; {EXAMPLE}"));
    }
    match Url::parse(text) {
        Ok(url) => check_parts(here, &url),
        Err(error) if text.contains(['@', '?']) => here.fault(format!("url is not an address ({error}); {EXAMPLE}")),
        Err(error) => here.fault(format!("url is {}, not an address ({error}); {EXAMPLE}", Quoted(text))),
    }
}

fn check_parts(here: &mut Scope<'_>, url: &Url) {
    if !matches!(url.scheme(), "http" | "https") {
        here.fault(format!("url has the scheme {}; give `http` or `https`", Quoted(url.scheme())));
    }
    if url.host_str().is_none_or(str::is_empty) {
        here.fault(format!("url names no host; {EXAMPLE}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        here.fault("url holds a user or password; give them as `credential: os.environ/NAME`");
    }
    if url.query().is_some() {
        here.fault("url holds a query (`?…`); give the address up to the version, as `…/v1`");
    }
    if url.fragment().is_some() {
        here.fault("url holds a fragment (`#…`); leave it out");
    }
}
