use std::collections::BTreeSet;

use ambient::Timestamp;
use hardware::{Gpu, GpuProcess, Inventory, LostGpu, Memory, Mig, Slice, Source};
use proptest::prelude::*;
use spec::{Document, Engine, Format, parse};

use super::judge::{Finding, Kind, judge};
use super::{Gate, Origin, Verdict, fitted, of_replica, placed, share};
use crate::config::Environment;
use crate::reconciler::{Desired, desired};

const GIB: u64 = 1 << 30;

fn gpu(index: u32, gib: u64) -> Gpu {
    Gpu {
        index,
        uuid: format!("GPU-{index}aaaaaaa-1111"),
        name: "NVIDIA A100".to_owned(),
        memory: Some(Memory { total: gib * GIB, used: 0, free: gib * GIB, unified: false }),
        pci: None,
        numa_node: None,
        nvlink_peers: Vec::new(),
        nvswitch: false,
        mig: None,
        processes: Vec::new(),
    }
}

fn machine(gpus: Vec<Gpu>) -> Inventory {
    Inventory { source: Source::Nvml, gpus, ..Inventory::empty(Timestamp::from_micros(0), Vec::new()) }
}

pub(crate) fn whole(count: u32) -> Inventory {
    machine((0..count).map(|index| gpu(index, 40)).collect())
}

/// One GPU in two slices, one whole.
fn sliced() -> Inventory {
    let slice = |uuid: &str, profile: &str, gib| {
        let memory = Memory { total: gib * GIB, used: 0, free: gib * GIB, unified: false };
        Slice { uuid: uuid.to_owned(), profile: profile.to_owned(), memory: Some(memory) }
    };
    let slices = vec![slice("MIG-aaaaaaaa-1", "3g.20gb", 20), slice("MIG-bbbbbbbb-2", "2g.10gb", 10)];
    let mut inventory = whole(2);
    inventory.gpus[0].mig = Some(Mig { enabled: true, slices });
    inventory
}

fn unified() -> Inventory {
    let mut inventory = whole(1);
    inventory.gpus[0].memory = Some(Memory { total: 119 * GIB, used: 9 * GIB, free: 110 * GIB, unified: true });
    inventory
}

/// A document of engines, `models` as name and fields.
fn document(defaults: &str, models: &[(&str, &str)]) -> Document {
    let models = models.iter().map(|(name, engine)| {
        format!("{{name: {name}, type: chat, deployments: [{{id: d-{name}, engine: {{source: Org/M, {engine}}}}}]}}")
    });
    let models: Vec<_> = models.collect();
    let text = format!("version: 1\ndefaults: {{{defaults}}}\nmodels: [{}]", models.join(", "));
    parse(&text, Format::Yaml).unwrap()
}

fn wanted(document: &Document) -> Vec<Desired> {
    desired(document, &Environment::new(|_| None))
}

fn engine(fields: &str) -> Engine {
    document("", &[("m", fields)]).models[0].deployments[0].engine.clone().unwrap()
}

fn uuids(fields: &str, number: u32, inventory: &Inventory) -> Result<Vec<String>, String> {
    of_replica(&engine(fields), number, inventory).map(|devices| devices.into_iter().map(|d| d.uuid).collect())
}

fn findings(document: &Document, inventory: &Inventory) -> Vec<Finding> {
    judge(document, &wanted(document), inventory)
}

fn only(document: &Document, inventory: &Inventory, kind: Kind) -> (String, String) {
    let [one] = &findings(document, inventory)[..] else { panic!("{:?}", findings(document, inventory)) };
    assert_eq!(one.kind, kind);
    (one.path.clone(), one.message.clone())
}

#[test]
fn names_lead_to_uuids() {
    let machine = whole(4);
    let uuid = |index: u32| format!("GPU-{index}aaaaaaa-1111");
    for (gpus, expected) in [
        ("gpus: [0, 2]", vec![uuid(0), uuid(2)]),
        ("gpus: ['3']", vec![uuid(3)]),
        ("gpus: [GPU-1aaaaaaa-1111]", vec![uuid(1)]),
        ("gpus: [gpu-1AAAaaaa]", vec![uuid(1)]),
        ("gpus: [all]", (0..4).map(uuid).collect()),
        ("gpus: []", vec![]),
    ] {
        assert_eq!(uuids(gpus, 0, &machine).unwrap(), expected, "{gpus}");
    }
    assert_eq!(uuids("gpus: [0, 1, 2, 3], replicas: 2", 1, &machine).unwrap(), [uuid(2), uuid(3)]);
    assert_eq!(uuids("gpus: [all], replicas: 2", 1, &machine).unwrap(), [uuid(2), uuid(3)], "all is shared out too");
    assert_eq!(uuids("gpus: [MIG-bbbbbbbb-2]", 0, &sliced()).unwrap(), ["MIG-bbbbbbbb-2"]);
    assert_eq!(uuids("gpus: [all]", 0, &sliced()).unwrap(), [uuid(1)], "what is cut is no whole GPU");
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let lost = LostGpu { index: 7, uuid: Some("GPU-lost-7777".into()), name: None, reason: "fell off the bus".into() };
    let with_lost = Inventory { lost: vec![lost], ..whole(1) };
    for (gpus, inventory, path, expected) in [
        (
            "gpus: [0, 4]",
            &whole(2),
            "[1]",
            "gpus names `4`, which this machine does not have; there are 0 (GPU-0aaaaaaa-1111, NVIDIA A100), 1 (",
        ),
        ("gpus: [GPU-9]", &whole(2), "[0]", "gpus names `GPU-9`"),
        ("gpus: [GPU-]", &whole(2), "[0]", "gpus names `GPU-`"),
        ("gpus: [MIG-cccccccc]", &sliced(), "[0]", "cut into 3g.20gb MIG-aaaaaaaa-1, 2g.10gb MIG-bbbbbbbb-2"),
        ("gpus: [0]", &sliced(), "[0]", "GPU 0 is cut into slices (MIG); name one of them: MIG-aaaaaaaa-1 (3g.20gb)"),
        ("gpus: [7]", &with_lost, "[0]", "GPU 7 does not answer: fell off the bus"),
        ("gpus: [GPU-lost-7777]", &with_lost, "[0]", "does not answer"),
        ("gpus: [1, GPU-1aaaaaaa-1111]", &whole(2), "[1]", "gpus names GPU 1 twice"),
        ("gpus: [all], replicas: 2", &whole(3), "", "3 GPUs here and not divisible by replicas (2)"),
    ] {
        let (at, message) = only(&document("", &[("m", gpus)]), inventory, Kind::Unknown);
        assert_eq!(at, format!("models[0].deployments[0].engine.gpus{path}"), "{gpus}");
        assert!(message.contains(expected), "{gpus}: {message}");
    }
    let none = Inventory { notes: vec!["NVML: the driver is not loaded".into()], ..whole(0) };
    let (_, message) = only(&document("", &[("m", "gpus: [0]")]), &none, Kind::NoGpu);
    assert!(message.contains("no GPU is found on this machine (NVML: the driver is not loaded)"), "{message}");
    assert_eq!(findings(&document("", &[("m", "")]), &none), [], "who asks for none needs none");
}

#[test]
fn a_gpu_is_shared_as_far_as_its_memory_goes() {
    let booked = |one: &str, other: &str| {
        let document = document("", &[("a", &format!("gpus: [0], {one}")), ("b", &format!("gpus: [0], {other}"))]);
        findings(&document, &whole(2))
    };
    assert_eq!(booked("gpu_memory_utilization: 0.45", "gpu_memory_utilization: 0.55"), []);
    assert_eq!(booked("args: ['--gpu-memory-utilization=0.5']", "args: [--gpu_memory_utilization, '0.5']"), []);
    let over = booked("", "gpu_memory_utilization: 0.2");
    assert_eq!((over.len(), over[0].kind), (1, Kind::Overbooked));
    assert_eq!(over[0].path, "models[1].deployments[0].engine.gpus");
    assert!(
        over[0].message.contains("GPU 0 would be booked beyond its memory (a 0.92 + b 0.2 = 1.12)"),
        "{}",
        over[0].message
    );
    assert_eq!(over[0].deployments, BTreeSet::from(["d-a".to_owned(), "d-b".to_owned()]));
    let document = document("", &[("a", "gpus: [0]"), ("b", "gpus: [GPU-0aaaaaaa-1111]"), ("c", "gpus: [1]")]);
    let running: Vec<_> = wanted(&document).into_iter().filter(|desired| &*desired.model != "a").collect();
    assert_eq!(findings(&document, &whole(2)).len(), 1, "by whatever name");
    assert_eq!(judge(&document, &running, &whole(2)), [], "a stopped model takes nothing");
}

#[test]
fn a_share_is_what_is_said_last_and_else_the_default() {
    let unified_memory = document("", &[]).defaults.unified_memory;
    let of = |fields: &str, inventory: &Inventory| {
        let document = document("", &[("m", fields)]);
        let desired = wanted(&document).remove(0);
        let devices = of_replica(&desired.engine, 0, inventory).unwrap();
        let share = share(&desired.engine, &desired.words(), &devices, &unified_memory);
        (
            share.value,
            share.origin,
            fitted(&desired.engine, &desired.words(), &devices, share, &unified_memory).join(" "),
        )
    };
    let none = String::new();
    assert_eq!(of("gpus: [0]", &whole(1)), (0.92, Origin::Vllm, none.clone()));
    assert_eq!(of("gpus: [0], gpu_memory_utilization: 0.3", &whole(1)), (0.3, Origin::Document, none.clone()));
    let both = "gpus: [0], gpu_memory_utilization: 0.3, args: [--gpu-memory-util, '0.4']";
    assert_eq!(of(both, &whole(1)), (0.4, Origin::Document, none.clone()), "as the program would take it");
    assert_eq!(of("gpus: [0]", &unified()), (0.85, Origin::UnifiedMemory, "--gpu-memory-utilization 0.85".to_owned()));
    assert_eq!(of("gpus: [0], gpu_memory_utilization: 0.5", &unified()), (0.5, Origin::Document, none.clone()));
    let process = "runtime: process, gpus: [0], command: [/opt/bin/vllm, serve, '{port}']";
    assert_eq!(of(process, &unified()), (0.92, Origin::Vllm, none.clone()), "its command is its own");
    let other = "runtime: process, gpus: [0], command: [llama-server, '{port}']";
    assert_eq!(of(other, &whole(1)), (0.92, Origin::Unknown, none));
    assert_eq!(of("gpus: [all]", &whole(4)).2, "--tensor-parallel-size 4");
    assert_eq!(of("gpus: [all], replicas: 2", &whole(4)).2, "--tensor-parallel-size 2");
    assert_eq!(of("gpus: [all], tensor_parallel_size: 1", &whole(4)).2, "");
}

#[test]
fn the_memory_of_every_replica_is_known() {
    let document_of = |gpu: &str| document("", &[("m", &format!("gpus: [{gpu}]"))]);
    let on_slice = document_of("MIG-aaaaaaaa-1");
    let memory = placed(&on_slice, &wanted(&on_slice)[0], &sliced()).unwrap().gpus;
    assert_eq!((memory[0].name.as_str(), memory[0].total_bytes), ("NVIDIA A100 3g.20gb", Some(20 * GIB)));
    let document = document("", &[("m", "gpus: [0]")]);
    let placed = placed(&document, &wanted(&document)[0], &unified()).unwrap();
    assert_eq!((placed.gpus[0].unified, placed.gpu_memory_utilization), (true, 0.85));
}

/// What a gate says of all replicas of a document, in order.
fn verdicts(document: &Document, inventory: &Inventory, holders: &[&str], starting: &[&str]) -> Vec<Verdict> {
    let wanted = wanted(document);
    let set = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<BTreeSet<_>>();
    let holds = |id: &str| holders.contains(&id) || starting.contains(&id);
    let all: Vec<_> = holders.iter().chain(starting).copied().collect();
    let mut gate = Gate::new(document, &wanted, inventory, set(&all), &set(starting));
    wanted.iter().filter(|desired| !holds(&desired.id)).map(|desired| gate.judge(desired, true)).collect()
}

#[test]
fn one_engine_at_a_time_starts_on_a_gpu() {
    let half = "gpu_memory_utilization: 0.4";
    let on = |gpus: &str| format!("gpus: [{gpus}], {half}");
    let document = document("", &[("a", &on("0, 1")), ("b", &on("1")), ("c", &on("2"))]);
    let waits = Verdict::Wait("waits for a on GPU 1".to_owned());
    assert_eq!(verdicts(&document, &whole(3), &[], &[]), [Verdict::Start, waits.clone(), Verdict::Start]);
    assert_eq!(verdicts(&document, &whole(3), &[], &["d-a/0"]), [waits, Verdict::Start]);
    assert_eq!(verdicts(&document, &whole(3), &["d-a/0"], &[]), [Verdict::Start, Verdict::Start], "once it is up");
}

#[test]
fn a_start_waits_for_memory_that_is_really_free() {
    let mut inventory = whole(1);
    let memory = inventory.gpus[0].memory.as_mut().unwrap();
    (memory.used, memory.free) = (20 * GIB, 20 * GIB);
    inventory.gpus[0].processes = vec![GpuProcess { pid: 4711, memory: Some(20 * GIB) }];
    let document = document("", &[("a", "gpus: [0]")]);
    let [Verdict::Short(reason)] = &verdicts(&document, &inventory, &[], &[])[..] else { panic!("it has no room") };
    assert_eq!(reason, "waits for memory on GPU 0: 20.0 of 36.8 GiB are free (pid 4711 has 20.0 GiB)");
    let wanted = wanted(&document);
    let mut gate = Gate::new(&document, &wanted, &inventory, BTreeSet::new(), &BTreeSet::new());
    assert!(matches!(gate.judge(&wanted[0], false), Verdict::Look(_)), "what was read before counts for nothing");
    let small = self::document("", &[("a", "gpus: [0], gpu_memory_utilization: 0.5")]);
    assert_eq!(verdicts(&small, &inventory, &[], &[]), [Verdict::Start]);
    let other = self::document("", &[("a", "gpus: [0], runtime: process, command: [llama-server, '{port}']")]);
    assert_eq!(verdicts(&other, &inventory, &[], &[]), [Verdict::Start], "nobody knows what it takes");
}

#[test]
fn who_is_too_much_fails_and_those_before_run() {
    let models = [("a", "gpus: [0]"), ("b", "gpus: [0]")];
    let document = document("", &models);
    let [Verdict::Start, Verdict::Fail(reason)] = &verdicts(&document, &whole(1), &[], &[])[..] else {
        panic!("one fits")
    };
    assert!(reason.contains("GPU 0 is booked beyond its memory (a 0.92 + b 0.92 = 1.84)"), "{reason}");
    let verdict = verdicts(&document, &whole(1), &["d-b/0"], &[]);
    assert!(matches!(&verdict[..], [Verdict::Fail(_)]), "nor beside one that runs: {verdict:?}");
    let lax = self::document("placement: {double_booking: warn}", &models);
    let waits = Verdict::Wait("waits for a on GPU 0".to_owned());
    assert_eq!(verdicts(&lax, &whole(1), &[], &[]), [Verdict::Start, waits]);
    let none = verdicts(&document, &whole(0), &[], &[]);
    assert!(matches!(&none[..], [Verdict::Fail(_), Verdict::Fail(_)]), "{none:?}");
}

proptest! {
    /// Whatever is wished for, in whatever order things come up: nobody shares a GPU while it starts, and no GPU is booked
    /// beyond its memory.
    #[test]
    fn no_order_of_starts_overbooks_a_gpu(
        wishes in prop::collection::vec((0u32..3, 1u32..10), 1..8),
        up in prop::collection::vec(any::<bool>(), 8),
    ) {
        let engines: Vec<_> = wishes
            .iter()
            .map(|(gpu, tenths)| format!("gpus: [{gpu}], gpu_memory_utilization: 0.{tenths}"))
            .collect();
        let names: Vec<_> = (0..engines.len()).map(|number| format!("m{number}")).collect();
        let models: Vec<_> = names.iter().zip(&engines).map(|(name, engine)| (name.as_str(), engine.as_str())).collect();
        let document = document("", &models);
        let (inventory, wanted) = (whole(3), wanted(&document));
        let (mut running, mut starting) = (BTreeSet::new(), BTreeSet::new());
        for round in 0..2 * wanted.len() {
            let holders = running.union(&starting).cloned().collect();
            let mut gate = Gate::new(&document, &wanted, &inventory, holders, &starting);
            for desired in &wanted {
                if running.contains(&desired.id) || starting.contains(&desired.id) {
                    continue;
                }
                if gate.judge(desired, true) == Verdict::Start {
                    starting.insert(desired.id.clone());
                }
            }
            for gpu in 0..3 {
                let on = |ids: &BTreeSet<String>| wishes.iter().enumerate()
                    .filter(|(place, wish)| wish.0 == gpu && ids.contains(&format!("d-m{place}/0")))
                    .map(|(_, wish)| wish.1).collect::<Vec<_>>();
                prop_assert!(on(&starting).len() <= 1, "two start on GPU {gpu}");
                prop_assert!(on(&starting).iter().chain(&on(&running)).sum::<u32>() <= 10, "GPU {gpu} is overbooked");
            }
            if up[round % up.len()] {
                running.append(&mut starting);
            }
        }
    }
}
