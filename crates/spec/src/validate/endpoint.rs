use super::{credential, environment, name, url};
use crate::{Endpoint, environment_variable, fault::Scope, limits};

pub(super) fn check(here: &mut Scope<'_>, endpoint: &Endpoint) {
    let Endpoint { provider: _, url, model, credential, weight, rpm: _, tpm: _, max_input_tokens } = endpoint;
    url::check(&mut here.field("url"), url);
    if let Some(model) = model {
        name::check_text(&mut here.field("model"), "model", model);
        environment::check(&mut here.field("model"), "model", model);
    }
    if let Some(credential) = credential {
        check_credential(&mut here.field("credential"), credential);
    }
    if *max_input_tokens == Some(0) {
        here.field("max_input_tokens").fault("max_input_tokens is 0; give 1 or more, or leave it out");
    }
    if !limits::WEIGHT.contains(weight) {
        let (least, most) = (limits::WEIGHT.start(), limits::WEIGHT.end());
        here.field("weight").fault(format!("weight is {weight}; give {least} to {most}"));
    }
}

/// The value may be the secret itself, so no message repeats it.
fn check_credential(here: &mut Scope<'_>, text: &str) {
    if environment_variable(text).is_none() && !credential::is_name(text) {
        here.fault(
            "credential is neither null, nor the name of one of `credentials`, nor `os.environ/NAME`; put the secret into \
             `credentials` (`enginehouse credential set NAME`) and give its name",
        );
    }
    environment::check(here, "credential", text);
}
