use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{endpoint, engine, number, routing};
use crate::{Deployment, Timeouts, fault::Scope, limits, quote::Quoted};

/// Where an id stands first.
pub(super) type Ids<'a> = HashMap<&'a str, String>;

pub(super) fn check<'a>(here: &mut Scope<'_>, deployment: &'a Deployment, ids: &mut Ids<'a>) {
    let Deployment { id, endpoint, engine, timeouts, order: _, cost } = deployment;
    if let Some(id) = id {
        check_id(&mut here.field("id"), id, ids);
    }
    match (endpoint, engine) {
        (None, None) => here.fault("has neither `endpoint` nor `engine`; give exactly one of them"),
        (Some(_), Some(_)) => here.fault("has both `endpoint` and `engine`; make two deployments of it"),
        _ => {}
    }
    if let Some(endpoint) = endpoint {
        endpoint::check(&mut here.field("endpoint"), endpoint);
    }
    if let Some(engine) = engine {
        engine::check(&mut here.field("engine"), engine);
    }
    if let Some(cost) = cost {
        let mut here = here.field("cost");
        for (field, value) in [("input", cost.input), ("output", cost.output)] {
            number::check_from_zero(&mut here.field(field), field, value, limits::PRICE);
        }
    }
    // What is not given is right by default.
    routing::check_timeouts(&mut here.field("timeouts"), &timeouts.over(&Timeouts::default()));
}

fn check_id<'a>(here: &mut Scope<'_>, id: &'a str, ids: &mut Ids<'a>) {
    let is_id = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if id.is_empty() || id.len() > limits::ID_CHARS || !id.bytes().all(is_id) {
        let most = limits::ID_CHARS;
        here.fault(format!("id is {}; give 1 to {most} lower-case letters, digits and `-`, or none", Quoted(id)));
    }
    match ids.entry(id) {
        Entry::Vacant(vacant) => {
            vacant.insert(here.path().to_owned());
        }
        Entry::Occupied(first) => {
            let first = first.get();
            here.fault(format!("id is {}, which stands at {first} too; leave it out to get a new one", Quoted(id)));
        }
    }
}
