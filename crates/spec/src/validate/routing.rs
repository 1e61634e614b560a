use super::number;
use crate::{Routing, Timeouts, fault::Scope, limits};

pub(super) fn check(here: &mut Scope<'_>, routing: &Routing) {
    let Routing { strategy: _, retries, allowed_fails: _, cooldown_seconds, timeouts } = routing;
    if !limits::RETRIES.contains(retries) {
        let most = limits::RETRIES.end();
        here.field("retries").fault(format!("retries is {retries}; give 0 to {most}"));
    }
    let mut cooldown = here.field("cooldown_seconds");
    number::check_from_zero(&mut cooldown, "cooldown_seconds", *cooldown_seconds, limits::SECONDS.into());
    check_timeouts(&mut here.field("timeouts"), timeouts);
}

pub(super) fn check_timeouts(here: &mut Scope<'_>, timeouts: &Timeouts) {
    let Timeouts { connect, first_byte, between_bytes, total } = *timeouts;
    let timeouts =
        [("connect", connect), ("first_byte", first_byte), ("between_bytes", between_bytes), ("total", total)];
    for (field, value) in timeouts {
        number::check_above_zero(&mut here.field(field), field, value, limits::SECONDS.into());
    }
}
