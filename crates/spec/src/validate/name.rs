use crate::{fault::Scope, limits, quote::Quoted};

/// A model's name; `first` is the first model that has it, `index` this one.
pub(super) fn check(here: &mut Scope<'_>, name: &str, first: usize, index: usize) {
    check_text(here, "name", name);
    if limits::RESERVED_NAMES.contains(&name) {
        let reserved = limits::RESERVED_NAMES.map(|word| format!("`{word}`")).join(", ");
        here.fault(format!("name is {}, but {reserved} are reserved for paths; choose another", Quoted(name)));
    }
    if name.split('/').any(|part| part == "." || part == "..") {
        here.fault(format!("name is {}; `.` and `..` are folders in paths; choose another", Quoted(name)));
    }
    if first != index {
        here.fault(format!("name is {}, which models[{first}] has too; each model needs its own", Quoted(name)));
    }
}

/// A name of 1 to 256 bytes without control characters.
pub(super) fn check_text(here: &mut Scope<'_>, field: &str, name: &str) {
    if name.is_empty() {
        here.fault(format!("{field} is empty; give 1 to {} bytes", limits::NAME_BYTES));
    }
    if name.len() > limits::NAME_BYTES {
        let (bytes, most) = (name.len(), limits::NAME_BYTES);
        here.fault(format!("{field} is {} with {bytes} bytes; give at most {most}", Quoted(name)));
    }
    if name.chars().any(char::is_control) {
        here.fault(format!("{field} is {}; it must not hold control characters", Quoted(name)));
    }
}
