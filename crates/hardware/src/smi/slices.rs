use crate::text::plain;
use crate::{Gpu, Memory, Slice};

/// Lists GPUs, and their slices below them.
pub(super) const LIST: &[&str] = &["-L"];
/// Slices that are read of one GPU: more than any can have.
const MOST_SLICES: usize = 16;

/// Puts the slices where they belong.
pub(super) fn note(gpus: &mut [Gpu], text: &str) {
    let mut of = None;
    for line in text.lines() {
        let Some(uuid) = uuid(line) else { continue };
        if line.starts_with("GPU ") {
            of = Some(uuid);
            continue;
        }
        let profile = line.trim_start().strip_prefix("MIG ").and_then(|rest| rest.split_whitespace().next());
        let (Some(of), Some(profile)) = (&of, profile) else { continue };
        let mig = gpus.iter_mut().find(|gpu| gpu.uuid == *of).and_then(|gpu| gpu.mig.as_mut());
        if let Some(mig) = mig.filter(|mig| mig.slices.len() < MOST_SLICES) {
            mig.slices.push(Slice { uuid, profile: plain(profile), memory: memory(profile) });
        }
    }
}

fn uuid(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("UUID: ")?;
    Some(plain(rest.trim_end().trim_end_matches(')')))
}

/// What a size of its name stands for: 19 of 20 parts can be used, and the program does not tell how much is.
fn memory(profile: &str) -> Option<Memory> {
    let gib: u64 = profile.rsplit_once('.')?.1.strip_suffix("gb")?.parse().ok()?;
    let total = gib.checked_mul(1 << 30)? / 20 * 19;
    Some(Memory { total, used: 0, free: total, unified: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smi::query;

    #[test]
    fn slices_stand_below_their_gpu() {
        let (mut gpus, _) = query::gpus(
            "0, GPU-a, A100, 40960, 5, 40442, p, Enabled, 1\n1, GPU-b, A100, 40960, 5, 40442, p, Disabled, 1\n",
        )
        .unwrap();
        let text = "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-a)\n  MIG 1g.5gb      Device  0: (UUID: MIG-1)\n  \
                    MIG 3g.20gb     Device  1: (UUID: MIG-2)\nGPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-b)\n";
        note(&mut gpus, text);
        let slices: Vec<_> = gpus[0].slices().iter().map(|s| (s.uuid.as_str(), s.profile.as_str())).collect();
        assert_eq!(slices, [("MIG-1", "1g.5gb"), ("MIG-2", "3g.20gb")]);
        assert_eq!(gpus[0].slices()[0].memory.unwrap().total, 4_864 << 20);
        assert_eq!(gpus[1].slices(), []);
    }
}
