//! Machines as NVML and `nvidia-smi` tell of them: through the real wrapper, which loads a stand-in as it loads the real library,
//! and through a real process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use ambient::Clock;
use hardware::{Inventory, NVIDIA_SMI, NVML, Probe, Sampler, Source};
use nvml_sim::{Installed, Scene, install};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A machine whose kernel tells of 119 GiB, nearly all of which the page cache has.
fn root(folder: &Path) {
    std::fs::create_dir_all(folder.join("proc")).unwrap();
    std::fs::write(
        folder.join("proc/meminfo"),
        "MemTotal: 124780544 kB\nMemFree: 1048576 kB\nMemAvailable: 115343360 kB\n",
    )
    .unwrap();
}

fn probe(folder: &Path, library: &str, program: &str) -> Probe {
    root(folder);
    let (library, program) = (library.to_owned(), program.to_owned());
    let variable = move |name: &str| match name {
        NVML => Some(library.clone()),
        NVIDIA_SMI => Some(program.clone()),
        _ => None,
    };
    Probe::new(variable, Clock::system()).rooted(folder)
}

fn played(scene: &Scene) -> (TempDir, Installed, Probe) {
    let folder = tempfile::tempdir().unwrap();
    let installed = install(folder.path(), scene);
    let probe = probe(folder.path(), installed.library().to_str().unwrap(), "");
    (folder, installed, probe)
}

fn read(scene: &Scene) -> Inventory {
    played(scene).2.read()
}

/// Runs it, and waits for its first reading.
async fn run(sampler: &Arc<Sampler>, cancel: &CancellationToken) -> tokio::task::JoinHandle<()> {
    let running = tokio::spawn({
        let (sampler, cancel) = (sampler.clone(), cancel.clone());
        async move { sampler.run(&cancel).await }
    });
    while sampler.current().is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    running
}

/// A program in place of `nvidia-smi`.
fn script(folder: &Path, text: &str) -> String {
    let path = folder.join("nvidia-smi");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn eight_gpus_reach_each_other_through_a_switch() {
    let mut scene = Scene::h100x8();
    scene.devices[3].processes = vec![(4711, 7 << 30)];
    let found = read(&scene);
    assert_eq!((found.source, found.gpus.len(), found.lost.len()), (Source::Nvml, 8, 0), "{:?}", found.notes);
    assert_eq!((found.driver.as_deref(), found.cuda.as_deref()), (Some("570.86.15"), Some("12.8")));
    let gpu = &found.gpus[3];
    assert_eq!((gpu.index, gpu.uuid.as_str()), (3, scene.devices[3].uuid.as_str()));
    assert_eq!((gpu.name.as_str(), gpu.pci.as_deref()), ("NVIDIA H100 80GB HBM3", Some("00000000:13:00.0")));
    let memory = gpu.memory.unwrap();
    assert_eq!((memory.total, memory.used, memory.unified), (80 << 30, 1 << 29, false));
    assert!(gpu.nvswitch && gpu.mig.as_ref().is_some_and(|mig| !mig.enabled));
    assert_eq!(gpu.nvlink_peers, [0, 1, 2, 4, 5, 6, 7]);
    assert_eq!((gpu.processes[0].pid, gpu.processes[0].memory), (4711, Some(7 << 30)));
}

#[test]
fn links_join_the_two_that_they_lead_to() {
    let found = read(&Scene::mixed());
    let names: Vec<_> = found.gpus.iter().map(|gpu| gpu.name.as_str()).collect();
    assert_eq!(names, ["NVIDIA A100-SXM4-40GB", "NVIDIA A100-SXM4-40GB", "NVIDIA H100 PCIe"]);
    let peers: Vec<_> = found.gpus.iter().map(|gpu| (gpu.nvlink_peers.clone(), gpu.nvswitch)).collect();
    assert_eq!(peers, [(vec![1], false), (vec![0], false), (vec![], false)]);
}

#[test]
fn slices_have_a_uuid_a_profile_and_memory() {
    let found = read(&Scene::mig());
    assert!(found.gpus[0].is_sliced() && !found.gpus[1].is_sliced());
    let slices: Vec<_> =
        found.gpus[0].slices().iter().map(|s| (s.profile.as_str(), s.memory.unwrap().total >> 20)).collect();
    assert_eq!(slices, [("3g.20gb", 19_968), ("2g.10gb", 9_856), ("1g.5gb", 4_864)]);
    assert!(found.gpus[0].slices()[0].uuid.starts_with("MIG-"));
}

#[test]
fn a_gpu_without_memory_of_its_own_has_the_machines() {
    let found = read(&Scene::gb10());
    let memory = found.gpus[0].memory.unwrap();
    assert!(memory.unified);
    assert_eq!((memory.total, memory.free), (119 << 30, 110 << 30), "the page cache counts as free");
    assert_eq!((found.gpus[0].name.as_str(), found.cuda.as_deref()), ("NVIDIA GB10", Some("13.0")));
}

#[test]
fn a_lost_gpu_hides_no_other() {
    let found = read(&Scene::lost());
    assert_eq!((found.gpus.len(), found.lost.len()), (1, 1));
    assert_eq!(found.lost[0].index, 1);
    assert!(found.lost[0].reason.contains("fell off the bus"), "{}", found.lost[0].reason);
}

#[test]
fn no_gpu_is_a_normal_state() {
    let found = read(&Scene::none());
    assert_eq!((found.source, found.has_gpus()), (Source::Nvml, false));
    let folder = tempfile::tempdir().unwrap();
    let found = probe(folder.path(), "/nowhere/libnvidia-ml.so.1", "/nowhere/nvidia-smi").read();
    assert_eq!((found.source, found.has_gpus(), found.notes.len()), (Source::None, false, 2));
    assert!(found.notes[0].contains("/nowhere/libnvidia-ml.so.1 cannot be loaded"), "{:?}", found.notes);
}

#[test]
fn versions_that_differ_are_named_with_what_to_do() {
    let found = read(&Scene::mismatch());
    assert_eq!(found.source, Source::None);
    assert!(found.notes[0].contains("restart the machine"), "{:?}", found.notes);
}

#[test]
fn nvidia_smi_tells_where_the_library_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let program = script(
        folder.path(),
        r#"case "$1" in
--query-gpu=*) echo "0, GPU-a, NVIDIA A100-SXM4-40GB, 40960, 512, 40448, 00000000:01:00.0, Enabled, 570.86.15"
               echo "1, GPU-b, NVIDIA GB10, [N/A], [N/A], [N/A], 00000000:02:00.0, [N/A], 570.86.15" ;;
--query-compute-apps=*) echo "GPU-b, 99, 1024" ;;
-L) echo "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-a)"; echo "  MIG 1g.5gb      Device  0: (UUID: MIG-x)" ;;
esac"#,
    );
    let found = probe(folder.path(), "", &program).read();
    assert_eq!((found.source, found.gpus.len(), found.driver.as_deref()), (Source::NvidiaSmi, 2, Some("570.86.15")));
    assert_eq!(found.gpus[0].slices()[0].uuid, "MIG-x");
    assert_eq!(found.gpus[1].memory.unwrap().free, 110 << 30, "its memory is the machine's");
    assert_eq!(found.gpus[1].processes[0].pid, 99);
}

#[test]
fn what_nvidia_smi_says_of_its_failure_is_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let says = |text: &str| probe(folder.path(), "", &script(folder.path(), text)).read();
    let found = says("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18");
    assert_eq!(found.notes, ["nvidia-smi: Failed to initialize NVML: Driver/library version mismatch"]);
    let found = says("yes nonsense");
    assert_eq!(found.notes, ["nvidia-smi: it printed more than 1048576 bytes"]);
    let found = says("head -c 5000 /dev/urandom");
    assert_eq!((found.source, found.notes.len()), (Source::None, 1));
}

#[test]
fn an_nvidia_smi_that_hangs_is_ended_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let program = script(folder.path(), &format!("sleep 3600 & echo $! > {}; wait", pid.display()));
    let found = probe(folder.path(), "", &program).read();
    assert_eq!(found.notes, ["nvidia-smi: it did not end within 8 s"]);
    let pid = std::fs::read_to_string(&pid).unwrap();
    let stat = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let is_gone = |stat: &str| stat.is_empty() || stat.contains(") Z ");
    // It was killed; the kernel gets to that when it can.
    let tries = std::iter::repeat_with(|| {
        std::thread::yield_now();
        stat()
    });
    assert!(tries.take(1_000_000).any(|stat| is_gone(&stat)), "its child is gone: {}", stat());
}

#[tokio::test]
async fn a_gpu_that_vanishes_is_named_as_what_it_was() {
    let (_folder, installed, probe) = played(&Scene::h100x8());
    let sampler = Arc::new(Sampler::new(probe));
    let cancel = CancellationToken::new();
    let running = run(&sampler, &cancel).await;
    assert_eq!(sampler.known().await.unwrap().gpus.len(), 8);
    let mut scene = Scene::h100x8();
    scene.devices[5].lost = true;
    installed.play(&scene);
    let found = sampler.fresh().await.unwrap();
    assert_eq!((found.gpus.len(), found.lost.len()), (7, 1));
    assert_eq!((found.lost[0].index, found.lost[0].uuid.as_ref()), (5, Some(&scene.devices[5].uuid)));
    assert_eq!(found.lost[0].name.as_deref(), Some("NVIDIA H100 80GB HBM3"));
    installed.play(&Scene::h100x8());
    assert_eq!(sampler.fresh().await.unwrap().gpus.len(), 8, "and it is back as soon as it answers");
    cancel.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_driver_that_never_answers_holds_nobody() {
    let (_folder, installed, probe) = played(&Scene::mixed());
    let sampler = Arc::new(Sampler::new(probe));
    let cancel = CancellationToken::new();
    let running = run(&sampler, &cancel).await;
    assert_eq!(sampler.known().await.unwrap().gpus.len(), 3);
    installed.play(&Scene { delay_ms: 3_600_000, ..Scene::mixed() });
    let found = sampler.fresh().await.unwrap();
    assert_eq!(found.gpus.len(), 3, "what was known before");
    assert!(found.notes[0].contains("does not answer"), "{:?}", found.notes);
    cancel.cancel();
    running.await.unwrap();
}
