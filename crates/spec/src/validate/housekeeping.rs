use crate::{Housekeeping, fault::Scope, limits};

pub(super) fn check(here: &mut Scope<'_>, housekeeping: &Housekeeping) {
    let Housekeeping { enabled: _, interval_hours, usage_retention_days, expired_keys_days } = housekeeping;
    if !limits::HOUSEKEEPING_HOURS.contains(interval_hours) {
        let (least, most) = limits::HOUSEKEEPING_HOURS.into_inner();
        here.field("interval_hours").fault(format!("interval_hours is {interval_hours}; give {least} to {most}"));
    }
    let (least, most) = limits::RETENTION_DAYS.into_inner();
    if !limits::RETENTION_DAYS.contains(usage_retention_days) {
        let message = format!("usage_retention_days is {usage_retention_days}; give {least} to {most}");
        here.field("usage_retention_days").fault(message);
    }
    if let Some(days) = expired_keys_days.filter(|days| *days > most) {
        here.field("expired_keys_days").fault(format!("expired_keys_days is {days}; give 0 to {most}, or null"));
    }
}
