//! The functions of NVML that are asked for, as C sees them.

use std::ffi::{c_char, c_int, c_uint, c_ulong};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlDeviceAttributes_t, nvmlMemory_v2_t, nvmlPciInfo_t, nvmlProcessInfo_t,
};
use parking_lot::Mutex;

use crate::install::script;
use crate::{Device, Scene, Slice};

const SUCCESS: c_uint = 0;
const UNINITIALIZED: c_uint = 1;
const INVALID_ARGUMENT: c_uint = 2;
const NOT_SUPPORTED: c_uint = 3;
const NOT_FOUND: c_uint = 6;
const INSUFFICIENT_SIZE: c_uint = 7;
const GPU_IS_LOST: c_uint = 15;
const UNKNOWN: c_uint = 999;
/// Places for slices that a GPU has.
const PLACES: c_uint = 7;
/// What stands for no value.
const NO_VALUE: c_uint = c_uint::MAX;

/// What plays between `nvmlInit` and `nvmlShutdown`.
static SCENE: Mutex<Option<Scene>> = Mutex::new(None);

type Answer = Result<(), c_uint>;

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlInit_v2() -> c_uint {
    let Some(scene) = read_scene() else { return UNKNOWN };
    wait(&scene);
    let answer = scene.init;
    if answer == SUCCESS {
        *SCENE.lock() = Some(scene);
    }
    answer
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlShutdown() -> c_uint {
    *SCENE.lock() = None;
    SUCCESS
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(version: *mut c_char, length: c_uint) -> c_uint {
    answer(|scene| unsafe { text(&scene.driver, version, length) })
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) -> c_uint {
    answer(|scene| unsafe { put(version, scene.cuda) })
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> c_uint {
    answer(|scene| unsafe { put(count, number(scene.devices.len())) })
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut nvmlDevice_t) -> c_uint {
    answer(|scene| {
        let found = scene.devices.get(index as usize).ok_or(INVALID_ARGUMENT)?;
        if found.lost {
            return Err(GPU_IS_LOST);
        }
        unsafe { put(device, handle(index, 0)) }
    })
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUUID(device: nvmlDevice_t, uuid: *mut c_char, length: c_uint) -> c_uint {
    of(device, |gpu, slice| unsafe { text(slice.map_or(&gpu.uuid, |slice| &slice.uuid), uuid, length) })
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetName(device: nvmlDevice_t, name: *mut c_char, length: c_uint) -> c_uint {
    of(device, |gpu, slice| {
        let shown = slice.map_or_else(|| gpu.name.clone(), |slice| format!("{} MIG {}", gpu.name, slice.profile));
        unsafe { text(&shown, name, length) }
    })
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: nvmlDevice_t, info: *mut nvmlMemory_v2_t) -> c_uint {
    of(device, |gpu, slice| {
        let (total, used) = match slice {
            Some(slice) => (slice.total, slice.used),
            None => (gpu.total.ok_or(NOT_SUPPORTED)?, gpu.used),
        };
        let free = total.saturating_sub(used);
        unsafe { put(info, nvmlMemory_v2_t { version: 2, total, reserved: 0, free, used }) }
    })
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPciInfo_v3(device: nvmlDevice_t, info: *mut nvmlPciInfo_t) -> c_uint {
    of(device, |gpu, _| unsafe { put(info, pci(&gpu.pci)) })
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMigMode(
    device: nvmlDevice_t,
    current: *mut c_uint,
    pending: *mut c_uint,
) -> c_uint {
    of(device, |gpu, _| {
        let mode = c_uint::from(gpu.mig.ok_or(NOT_SUPPORTED)?);
        unsafe { put(current, mode).and_then(|()| put(pending, mode)) }
    })
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMaxMigDeviceCount(device: nvmlDevice_t, count: *mut c_uint) -> c_uint {
    of(device, |_, _| unsafe { put(count, PLACES) })
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    device: nvmlDevice_t,
    index: c_uint,
    slice: *mut nvmlDevice_t,
) -> c_uint {
    of(device, |gpu, _| {
        gpu.slices.get(index as usize).ok_or(NOT_FOUND)?;
        unsafe { put(slice, handle(place(device).0, index + 1)) }
    })
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetAttributes_v2(
    device: nvmlDevice_t,
    attributes: *mut nvmlDeviceAttributes_t,
) -> c_uint {
    of(device, |_, slice| {
        let slice = slice.ok_or(NOT_SUPPORTED)?;
        let slices = slice.profile.split('g').next().and_then(|count| count.parse().ok()).unwrap_or(1);
        let found = nvmlDeviceAttributes_t {
            multiprocessorCount: 14 * slices,
            sharedCopyEngineCount: 1,
            sharedDecoderCount: 0,
            sharedEncoderCount: 0,
            sharedJpegCount: 0,
            sharedOfaCount: 0,
            gpuInstanceSliceCount: slices,
            computeInstanceSliceCount: slices,
            memorySizeMB: slice.total >> 20,
        };
        unsafe { put(attributes, found) }
    })
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: nvmlDevice_t,
    count: *mut c_uint,
    infos: *mut nvmlProcessInfo_t,
) -> c_uint {
    of(device, |gpu, _| {
        let found = number(gpu.processes.len());
        let room = unsafe { count.as_ref() }.copied().ok_or(INVALID_ARGUMENT)?;
        unsafe { put(count, found)? };
        if found > room {
            return Err(INSUFFICIENT_SIZE);
        }
        for (place, (pid, memory)) in gpu.processes.iter().enumerate() {
            let info = nvmlProcessInfo_t {
                pid: *pid,
                usedGpuMemory: *memory,
                gpuInstanceId: NO_VALUE,
                computeInstanceId: NO_VALUE,
            };
            unsafe { put(infos.add(place), info)? };
        }
        Ok(())
    })
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetNvLinkState(device: nvmlDevice_t, link: c_uint, state: *mut c_uint) -> c_uint {
    of(device, |gpu, _| unsafe { put(state, c_uint::from(gpu.links.get(link as usize).is_some())) })
}

/// # Safety
/// As NVML's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetNvLinkRemotePciInfo_v2(
    device: nvmlDevice_t,
    link: c_uint,
    info: *mut nvmlPciInfo_t,
) -> c_uint {
    of(device, |gpu, _| {
        let remote = gpu.links.get(link as usize).ok_or(INVALID_ARGUMENT)?;
        unsafe { put(info, pci(remote)) }
    })
}

#[expect(clippy::disallowed_methods, reason = "a driver that hangs holds the thread that asks")]
fn wait(scene: &Scene) {
    std::thread::sleep(Duration::from_millis(scene.delay_ms));
}

/// Where the library lies, and so its scene, the kernel tells: it has mapped this function.
fn read_scene() -> Option<Scene> {
    let here = nvmlShutdown as *const () as c_ulong;
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let library = maps.lines().find_map(|line| holds(line, here))?;
    serde_json::from_slice(&std::fs::read(script(&library)).ok()?).ok()
}

/// The file of a line as `7f00-7fff r-xp 0 08:01 5 /path`, if it holds an address.
fn holds(line: &str, address: c_ulong) -> Option<PathBuf> {
    let (from, rest) = line.split_once('-')?;
    let (to, rest) = rest.split_once(' ')?;
    let number = |text| c_ulong::from_str_radix(text, 16).ok();
    let is_here = (number(from)?..number(to)?).contains(&address);
    is_here.then(|| rest.find('/').map(|at| Path::new(&rest[at..]).to_owned()))?
}

fn answer(give: impl FnOnce(&Scene) -> Answer) -> c_uint {
    let scene = SCENE.lock();
    let given = scene.as_ref().ok_or(UNINITIALIZED).and_then(give);
    given.err().unwrap_or(SUCCESS)
}

fn of(device: nvmlDevice_t, give: impl FnOnce(&Device, Option<&Slice>) -> Answer) -> c_uint {
    answer(|scene| {
        let (gpu, slice) = place(device);
        let gpu = scene.devices.get(gpu as usize).ok_or(INVALID_ARGUMENT)?;
        let slice = match slice {
            0 => None,
            number => Some(gpu.slices.get(number as usize - 1).ok_or(INVALID_ARGUMENT)?),
        };
        give(gpu, slice)
    })
}

/// A handle says which GPU and, from 1, which slice of it is meant; it leads nowhere.
fn handle(gpu: c_uint, slice: c_uint) -> nvmlDevice_t {
    std::ptr::without_provenance_mut(((gpu as usize + 1) << 8) | slice as usize)
}

fn place(device: nvmlDevice_t) -> (c_uint, c_uint) {
    let number = device.addr();
    (number_of(number >> 8).wrapping_sub(1), number_of(number & 0xff))
}

fn number_of(value: usize) -> c_uint {
    c_uint::try_from(value).unwrap_or(c_uint::MAX)
}

fn number(count: usize) -> c_uint {
    number_of(count)
}

fn pci(id: &str) -> nvmlPciInfo_t {
    let mut info = nvmlPciInfo_t {
        busIdLegacy: [0; 16],
        domain: 0,
        bus: 0,
        device: 0,
        pciDeviceId: 0,
        pciSubSystemId: 0,
        busId: [0; 32],
    };
    for (to, from) in info.busId.iter_mut().take(31).zip(id.bytes()) {
        *to = from.cast_signed() as c_char;
    }
    info
}

unsafe fn put<T>(to: *mut T, value: T) -> Answer {
    if to.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    unsafe { to.write(value) };
    Ok(())
}

unsafe fn text(value: &str, to: *mut c_char, length: c_uint) -> Answer {
    if to.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    if value.len() >= length as usize {
        return Err(INSUFFICIENT_SIZE);
    }
    for (place, byte) in value.bytes().chain([0]).enumerate() {
        unsafe { to.add(place).write(byte.cast_signed() as c_char) };
    }
    Ok(())
}
