use crate::{environment, environment_variable, fault::Scope, is_secret_entry, quote::Quoted};

const RULE: &str = "a name has letters, digits and `_`, and no digit in front";

/// A string that may refer to a variable: if it does, the variable's name has to be one.
pub(super) fn check(here: &mut Scope<'_>, field: &str, text: &str) {
    if let Some(name) = environment_variable(text)
        && !environment::is_variable_name(name)
    {
        here.fault(format!("{field} refers to the variable {}; {RULE}", Quoted(name)));
    }
}

/// A variable that an engine gets. Its value may be a secret, so no message repeats it.
pub(super) fn check_entry(here: &mut Scope<'_>, name: &str, value: &str) {
    if !environment::is_variable_name(name) {
        return here.fault(format!("env has the name {}; {RULE}", Quoted(name)));
    }
    let mut here = here.field(name);
    check(&mut here, name, value);
    if is_secret_entry(name, value) {
        here.fault(format!(
            "{name} is or may be a secret, and its value would stand in config.json and in answers; set a variable for Enginehouse and write `os.environ/NAME`"
        ));
    }
    if value.contains('\0') {
        here.fault(format!("{name} holds a NUL character, which no environment can"));
    }
    if value.contains(['\n', '\r']) {
        here.fault(format!("{name} holds a line break, which many programs take for the end; write it without"));
    }
}
