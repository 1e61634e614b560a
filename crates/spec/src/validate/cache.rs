use super::number;
use crate::{Cache, fault::Scope, limits};

pub(super) fn check(here: &mut Scope<'_>, cache: &Cache) {
    let Cache { enabled: _, ttl_seconds, max_bytes, max_entry_bytes, namespace, coalesce: _ } = cache;
    number::check_above_zero(&mut here.field("ttl_seconds"), "ttl_seconds", *ttl_seconds, limits::SECONDS.into());
    for (field, value) in [("max_bytes", max_bytes), ("max_entry_bytes", max_entry_bytes)] {
        if !limits::CACHE_BYTES.contains(value) {
            let (least, most) = limits::CACHE_BYTES.into_inner();
            here.field(field).fault(format!("{field} is {value}; give {least} to {most} bytes"));
        }
    }
    if max_entry_bytes > max_bytes {
        let message = format!("max_entry_bytes is {max_entry_bytes}, more than max_bytes ({max_bytes}) holds");
        here.field("max_entry_bytes").fault(message);
    }
    if let Some(namespace) = namespace
        && (namespace.is_empty() || namespace.len() > limits::NAME_BYTES)
    {
        let most = limits::NAME_BYTES;
        here.field("namespace").fault(format!("namespace has {} bytes; give a name of 1 to {most}", namespace.len()));
    }
}
