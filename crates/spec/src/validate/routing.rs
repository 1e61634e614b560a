use super::number;
use crate::{CausePolicy, Routing, Timeouts, fault::Scope, limits};

pub(super) fn check(here: &mut Scope<'_>, routing: &Routing) {
    let Routing {
        strategy: _,
        retries,
        allowed_fails: _,
        cooldown_seconds,
        timeouts,
        retry_policy,
        allowed_fails_policy: _,
        // Checked in the light of the models.
        fallbacks: _,
        context_window_fallbacks: _,
        content_policy_fallbacks: _,
        default_fallbacks: _,
        max_fallbacks: _,
        enable_pre_call_checks: _,
        lowest_latency_buffer,
    } = routing;
    check_retries(here, Some(*retries));
    check_retry_policy(&mut here.field("retry_policy"), retry_policy);
    let mut cooldown = here.field("cooldown_seconds");
    number::check_from_zero(&mut cooldown, "cooldown_seconds", *cooldown_seconds, limits::SECONDS.into());
    let mut buffer = here.field("lowest_latency_buffer");
    number::check_from_zero(&mut buffer, "lowest_latency_buffer", *lowest_latency_buffer, limits::LATENCY_BUFFER);
    check_timeouts(&mut here.field("timeouts"), timeouts);
}

/// The field `retries` of something.
pub(super) fn check_retries(here: &mut Scope<'_>, retries: Option<u32>) {
    if let Some(retries) = retries.filter(|retries| !limits::RETRIES.contains(retries)) {
        let most = limits::RETRIES.end();
        here.field("retries").fault(format!("retries is {retries}; give 0 to {most}"));
    }
}

pub(super) fn check_retry_policy(here: &mut Scope<'_>, policy: &CausePolicy) {
    for (cause, retries) in policy.given().filter(|(_, retries)| !limits::RETRIES.contains(retries)) {
        let most = limits::RETRIES.end();
        here.field(cause).fault(format!("{cause} is {retries}; give 0 to {most} further tries"));
    }
}

pub(super) fn check_timeouts(here: &mut Scope<'_>, timeouts: &Timeouts) {
    let Timeouts { connect, first_byte, between_bytes, total } = *timeouts;
    let timeouts =
        [("connect", connect), ("first_byte", first_byte), ("between_bytes", between_bytes), ("total", total)];
    for (field, value) in timeouts {
        number::check_above_zero(&mut here.field(field), field, value, limits::SECONDS.into());
    }
}
