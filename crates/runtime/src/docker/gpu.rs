use bollard::models::DeviceRequest;

/// The GPUs of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Gpus {
    /// None at all.
    #[default]
    None,
    /// All that the machine has.
    All,
    /// These: indices, or UUIDs of GPUs or MIG slices.
    Named(Vec<String>),
}

// === impl Gpus ===

impl Gpus {
    /// As Docker is asked for them; by NVIDIA's runtime hook, which every version of Docker has.
    pub(super) fn request(&self) -> Option<Vec<DeviceRequest>> {
        let (count, device_ids) = match self {
            Self::None => return None,
            Self::All => (Some(-1), None),
            Self::Named(names) => (None, Some(names.clone())),
        };
        let capabilities = Some(vec![vec!["gpu".to_owned()]]);
        let driver = Some("nvidia".to_owned());
        Some(vec![DeviceRequest { driver, count, device_ids, capabilities, ..DeviceRequest::default() }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_asked_for_by_name_or_all_at_once() {
        assert_eq!(Gpus::None.request(), None);
        let all = Gpus::All.request().unwrap().remove(0);
        assert_eq!((all.count, all.device_ids), (Some(-1), None));
        let names = vec!["0".to_owned(), "MIG-1f".to_owned()];
        let named = Gpus::Named(names.clone()).request().unwrap().remove(0);
        assert_eq!((named.count, named.device_ids), (None, Some(names)), "Docker takes one of both");
    }
}
