use hardware::Inventory;
use spec::{Engine, Gpu};

use super::of_replica;
use crate::reconciler::gpus_of;

/// What tells the GPUs of a replica from those of others: their UUIDs, or the names in its definition where nobody knows them.
pub(crate) fn ids(engine: &Engine, number: u32, inventory: Option<&Inventory>) -> Vec<String> {
    match inventory.and_then(|inventory| of_replica(engine, number, inventory).ok()) {
        Some(devices) => devices.into_iter().map(|device| device.uuid).collect(),
        None => gpus_of(engine, number).iter().map(Gpu::to_string).collect(),
    }
}

/// Whether these certainly have no GPU in common.
pub(crate) fn are_apart(some: &[String], others: &[String]) -> bool {
    some.iter().all(|one| others.iter().all(|other| differ(one, other)))
}

/// A GPU has several names: an index says nothing of a UUID, and a UUID may be given by how it begins.
fn differ(one: &str, other: &str) -> bool {
    if one == "all" || other == "all" {
        return false;
    }
    match (one.parse::<u32>(), other.parse::<u32>()) {
        (Ok(one), Ok(other)) => one != other,
        (Err(_), Err(_)) => !begins(one, other) && !begins(other, one),
        _ => false,
    }
}

fn begins(text: &str, head: &str) -> bool {
    text.get(..head.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(one: &[&str], other: &[&str]) -> bool {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        are_apart(&owned(one), &owned(other))
    }

    #[test]
    fn only_what_certainly_differs_is_apart() {
        assert!(apart(&["0"], &["1", "2"]) && apart(&[], &["all"]) && apart(&["GPU-ab"], &["GPU-cd", "MIG-ab"]));
        for (one, other) in [
            ("0", "0"),
            ("0", "00"),
            ("0", "GPU-ab"),
            ("all", "1"),
            ("GPU-abcdef12", "gpu-ABCDEF12-3456"),
            ("MIG-a", "MIG-a"),
        ] {
            assert!(!apart(&[one], &[other]) && !apart(&[other], &[one]), "{one} {other}");
        }
    }
}
