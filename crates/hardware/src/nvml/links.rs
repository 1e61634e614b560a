//! Which GPUs reach each other by NVLink. Where a link ends, its PCI id tells: at another GPU, or at an NVSwitch, which joins
//! all GPUs that lead to one.

use nvml_wrapper::Device;

use crate::Gpu;
use crate::text::plain;

/// Links that a GPU can have.
const MOST_LINKS: u32 = 18;

/// PCI ids of what is at the other ends of a GPU's links that are up.
pub(super) fn remotes(device: &Device<'_>) -> Vec<String> {
    let links = (0..MOST_LINKS).map(|link| device.link_wrapper_for(link));
    let up = links.filter(|link| matches!(link.is_active(), Ok(true)));
    up.filter_map(|link| Some(plain(&link.remote_pci_info().ok()?.bus_id))).collect()
}

/// Notes at every GPU which ones it reaches.
pub(super) fn join(gpus: &mut [Gpu], links: &[(u32, Vec<String>)]) {
    let places: Vec<_> = gpus.iter().map(|gpu| (gpu.index, gpu.pci.clone())).collect();
    let at = |pci: &String| places.iter().find(|(_, place)| place.as_ref() == Some(pci)).map(|(index, _)| *index);
    let remotes = |index: u32| links.iter().find(|(of, _)| *of == index).map_or(&[][..], |(_, remotes)| remotes);
    for gpu in gpus.iter_mut() {
        gpu.nvswitch = remotes(gpu.index).iter().any(|pci| at(pci).is_none());
    }
    let switched: Vec<_> = gpus.iter().filter(|gpu| gpu.nvswitch).map(|gpu| gpu.index).collect();
    for gpu in gpus.iter_mut() {
        let mut peers: Vec<_> = remotes(gpu.index).iter().filter_map(at).collect();
        if gpu.nvswitch {
            peers.extend(&switched);
        }
        peers.sort_unstable();
        peers.dedup();
        peers.retain(|peer| *peer != gpu.index);
        gpu.nvlink_peers = peers;
    }
}
