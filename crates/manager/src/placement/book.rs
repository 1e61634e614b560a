use std::collections::BTreeMap;

use super::Device;

/// How much may be missing in a sum of shares that people wrote: 0.45 + 0.55 is a little more than 1 for a computer.
const TOLERANCE: f64 = 1e-6;

/// A replica that takes a share of each of its devices.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claim {
    /// Its id.
    pub(super) replica: String,
    /// Its model.
    pub(super) model: String,
    pub(super) devices: Vec<Device>,
    pub(super) share: f64,
}

/// A device of which more is claimed than there is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Overbooked {
    pub(super) device: Device,
    /// Who claims it, in order.
    pub(super) claims: Vec<Claim>,
}

/// Devices that are claimed beyond what they have, in the order in which they are claimed.
pub(super) fn overbooked(claims: &[Claim]) -> Vec<Overbooked> {
    let mut order: Vec<&Device> = Vec::new();
    let mut by_device: BTreeMap<&str, Vec<&Claim>> = BTreeMap::new();
    for claim in claims {
        for device in &claim.devices {
            let of_device = by_device.entry(&device.uuid).or_default();
            if of_device.is_empty() {
                order.push(device);
            }
            of_device.push(claim);
        }
    }
    let of = |device: &Device| {
        let claims = by_device.get(device.uuid.as_str())?;
        let sum: f64 = claims.iter().map(|claim| claim.share).sum();
        let claims = claims.iter().map(|&claim| claim.clone()).collect();
        (sum > 1.0 + TOLERANCE).then(|| Overbooked { device: device.clone(), claims })
    };
    order.into_iter().filter_map(of).collect()
}

// === impl Overbooked ===

impl Overbooked {
    /// Who takes how much, as a sum.
    pub(super) fn sum(&self) -> String {
        let parts: Vec<_> = self.claims.iter().map(|claim| format!("{} {}", claim.model, round(claim.share))).collect();
        let sum: f64 = self.claims.iter().map(|claim| claim.share).sum();
        format!("{} = {}", parts.join(" + "), round(sum))
    }
}

/// As people write shares.
fn round(share: f64) -> f64 {
    (share * 1_000.0).round() / 1_000.0
}
