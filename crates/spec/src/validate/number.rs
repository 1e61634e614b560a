use crate::fault::Scope;

/// A number from 0 to `most`.
pub(super) fn check_from_zero(here: &mut Scope<'_>, field: &str, value: f64, most: f64) {
    if !(0.0..=most).contains(&value) {
        here.fault(format!("{field} is {value}; give a number from 0 to {most}"));
    }
}

/// A number above 0 and up to `most`.
pub(super) fn check_above_zero(here: &mut Scope<'_>, field: &str, value: f64, most: f64) {
    if !(value > 0.0 && value <= most) {
        here.fault(format!("{field} is {value}; give a number above 0 and up to {most}"));
    }
}
