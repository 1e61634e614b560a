use hardware::Inventory;
use spec::{Engine, Gpu};

use super::Device;
use crate::reconciler::gpus_of;

/// Characters of a UUID that must be given at least, where it is not given whole.
const SHORTEST: usize = 8;
/// GPUs that a message lists.
const LISTED: usize = 8;

/// A name that leads to no device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    /// Where it stands in `gpus`; none for the list as a whole.
    pub(super) position: Option<usize>,
    pub(super) message: String,
}

/// The devices of one replica.
pub(crate) fn of_replica(engine: &Engine, number: u32, inventory: &Inventory) -> Result<Vec<Device>, String> {
    if is_all(engine) {
        let all = all(engine, inventory)?;
        let share = all.len() / engine.replicas.max(1) as usize;
        return Ok(all.into_iter().skip(share * number as usize).take(share).collect());
    }
    gpus_of(engine, number).iter().map(|gpu| named(gpu, inventory)).collect()
}

/// The devices of these names, of which each leads to one.
pub(crate) fn of_names(names: &[String], inventory: &Inventory) -> Result<Vec<Device>, String> {
    names.iter().map(|name| named(&Gpu::Name(name.clone()), inventory)).collect()
}

/// Everything that is wrong with what an engine names.
pub(super) fn check(engine: &Engine, inventory: &Inventory) -> Vec<Unfit> {
    if is_all(engine) {
        return all(engine, inventory).err().map(|message| Unfit { position: None, message }).into_iter().collect();
    }
    let (mut unfit, mut seen) = (Vec::new(), Vec::<Device>::new());
    for (position, gpu) in engine.gpus.iter().enumerate() {
        let position = Some(position);
        match named(gpu, inventory) {
            Err(message) => unfit.push(Unfit { position, message }),
            Ok(device) if seen.iter().any(|other| other.uuid == device.uuid) => {
                let message = format!("gpus names {device} twice, as `{gpu}` too; a replica gets each GPU once");
                unfit.push(Unfit { position, message });
            }
            Ok(device) => seen.push(device),
        }
    }
    unfit
}

pub(super) fn is_all(engine: &Engine) -> bool {
    matches!(&engine.gpus[..], [Gpu::Name(name)] if name == "all")
}

/// All whole GPUs; where all are cut, all slices.
fn all(engine: &Engine, inventory: &Inventory) -> Result<Vec<Device>, String> {
    let whole: Vec<_> = inventory.gpus.iter().filter(|gpu| !gpu.is_sliced()).map(Device::whole).collect();
    let slices = || inventory.gpus.iter().flat_map(|gpu| gpu.slices().iter().map(|slice| Device::slice(gpu, slice)));
    let all = if whole.is_empty() { slices().collect() } else { whole };
    let (count, replicas) = (all.len(), engine.replicas.max(1));
    if count == 0 {
        return Err(format!("gpus is `all`, but {}", nothing(inventory)));
    }
    if !count.is_multiple_of(replicas as usize) {
        return Err(format!(
            "gpus is `all`, which is {count} GPUs here and not divisible by replicas ({replicas}); name the GPUs, or give another number of replicas"
        ));
    }
    Ok(all)
}

fn named(gpu: &Gpu, inventory: &Inventory) -> Result<Device, String> {
    let found = match gpu {
        Gpu::Index(index) => by_index(*index, inventory)?,
        Gpu::Name(name) => match name.parse() {
            Ok(index) => by_index(index, inventory)?,
            Err(_) => by_uuid(name, inventory)?,
        },
    };
    found.ok_or_else(|| format!("gpus names `{gpu}`, which this machine does not have; {}", there_are(inventory)))
}

fn by_index(index: u32, inventory: &Inventory) -> Result<Option<Device>, String> {
    if let Some(lost) = inventory.lost.iter().find(|lost| lost.index == index) {
        return Err(format!("GPU {index} does not answer: {}", lost.reason));
    }
    let Some(gpu) = inventory.gpus.iter().find(|gpu| gpu.index == index) else { return Ok(None) };
    whole(gpu).map(Some)
}

fn by_uuid(name: &str, inventory: &Inventory) -> Result<Option<Device>, String> {
    if let Some(lost) = inventory.lost.iter().find(|lost| lost.uuid.as_ref().is_some_and(|uuid| is(uuid, name))) {
        return Err(format!("GPU {} ({name}) does not answer: {}", lost.index, lost.reason));
    }
    let mut found = Vec::new();
    for gpu in &inventory.gpus {
        if is(&gpu.uuid, name) {
            found.push(whole(gpu)?);
        }
        found.extend(gpu.slices().iter().filter(|s| is(&s.uuid, name)).map(|slice| Device::slice(gpu, slice)));
    }
    if found.len() > 1 {
        return Err(format!("gpus names `{name}`, with which {} UUIDs begin; give more of it", found.len()));
    }
    Ok(found.pop())
}

/// A GPU that is cut cannot be used as a whole.
fn whole(gpu: &hardware::Gpu) -> Result<Device, String> {
    if !gpu.is_sliced() {
        return Ok(Device::whole(gpu));
    }
    let slices = gpu.slices().iter().map(|slice| format!("{} ({})", slice.uuid, slice.profile));
    let slices = slices.collect::<Vec<_>>().join(", ");
    let index = gpu.index;
    Err(if slices.is_empty() {
        format!("GPU {index} is switched to slices (MIG) and has none; make one, or switch the mode off")
    } else {
        format!("GPU {index} is cut into slices (MIG); name one of them: {slices}")
    })
}

/// By the whole UUID, or by how it begins, as CUDA takes it.
fn is(uuid: &str, name: &str) -> bool {
    let begins = || uuid.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
    uuid.eq_ignore_ascii_case(name) || (name.len() >= SHORTEST && begins())
}

/// What there is, for a person who named something else.
fn there_are(inventory: &Inventory) -> String {
    if inventory.gpus.is_empty() {
        return nothing(inventory);
    }
    let slices = |gpu: &hardware::Gpu| match gpu.slices() {
        [] => String::new(),
        slices => {
            let slices = slices.iter().map(|slice| format!("{} {}", slice.profile, slice.uuid));
            format!(", cut into {}", slices.collect::<Vec<_>>().join(", "))
        }
    };
    let listed = inventory.gpus.iter().take(LISTED);
    let listed = listed.map(|gpu| format!("{} ({}, {}{})", gpu.index, gpu.uuid, gpu.name, slices(gpu)));
    let more = match inventory.gpus.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("there are {}{more}", listed.collect::<Vec<_>>().join(", "))
}

/// Why there is nothing to be named.
pub(crate) fn nothing(inventory: &Inventory) -> String {
    match &inventory.lost[..] {
        [] => {
            let notes = inventory.notes.join("; ");
            let why = if notes.is_empty() { "the driver knows of none".to_owned() } else { notes };
            format!("no GPU is found on this machine ({why})")
        }
        lost => format!("none of the {} GPUs of this machine answers: {}", lost.len(), lost[0].reason),
    }
}
