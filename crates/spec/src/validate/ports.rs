use std::collections::HashMap;

use crate::{Model, fault::Scope, limits};

/// Ports of the machine that engines ask for: each leads to one replica.
pub(super) fn check(root: &mut Scope<'_>, models: &[Model]) {
    let mut taken: HashMap<u32, String> = HashMap::new();
    for (index, model) in models.iter().enumerate() {
        for (position, deployment) in model.deployments.iter().enumerate() {
            let Some(engine) = &deployment.engine else { continue };
            let Some(first) = engine.host_port else { continue };
            let here = format!("models[{index}].deployments[{position}]");
            for number in 0..engine.replicas.min(*limits::REPLICAS.end()) {
                let port = u32::from(first) + number;
                if let Some(other) = taken.get(&port) {
                    let message = format!("host_port {port} is that of {other} too");
                    let mut models = root.field("models");
                    let mut model = models.element(index);
                    model.field("deployments").element(position).field("engine").field("host_port").fault(message);
                } else {
                    taken.insert(port, here.clone());
                }
            }
        }
    }
}
