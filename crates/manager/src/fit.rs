//! Whether a model's engines fit into their GPUs, before they are started: the crate `fit` reckons, here stands what it
//! reckons with. A model is known by its folder, by the cache, or by a look at the Hub; where nothing is known, or no GPU,
//! nothing is said.

use hardware::Inventory;
use spec::{Change, ChangeKind, Document, Fault, Faults, ItemKind, ModelType, Runtime, Warning};
use tokio::time::Instant;

use crate::Manager;
use crate::placement::{Device, fitted, of_replica, share};
use crate::reconciler::{Desired, desired};

mod judge;
mod options;
mod shape;
mod shapes;
#[cfg(test)]
mod tests;

pub(crate) use shapes::Shapes;

use judge::{Asked, Verdict, judge};
use options::Options;
use shapes::Ask;

/// What becomes of a change whose engines seem too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Estimates {
    /// It is refused.
    Bind,
    /// It gets a warning.
    Warn,
}

// === impl Manager ===

impl Manager {
    /// Judges the engines of all models that a change makes or changes.
    pub(crate) async fn judge_fit(
        &self,
        document: &Document,
        changes: &[Change],
        estimates: Estimates,
    ) -> Result<Vec<Warning>, Faults> {
        let (mut faults, mut warnings) = (Vec::new(), Vec::new());
        let touched = |name: &str| {
            let is_it = |change: &Change| change.name == name && change.change != ChangeKind::Deleted;
            changes.iter().any(|change| change.kind == ItemKind::MODEL && is_it(change))
        };
        let inventory = self.gpus().await;
        let wanted = desired(document, &self.config().env);
        let began = Instant::now();
        for (index, model) in document.models.iter().enumerate().filter(|(_, model)| touched(&model.name)) {
            for (number, deployment) in model.deployments.iter().enumerate() {
                let is_of = |desired: &&Desired| Some(desired.deployment()) == deployment.id.as_deref();
                let replicas: Vec<_> = wanted.iter().filter(is_of).collect();
                let path = format!("models[{index}].deployments[{number}].engine");
                // A Hub that does not answer keeps nobody waiting once for each model.
                let ask = if began.elapsed() < shapes::WAIT { Ask::Hub } else { Ask::Nobody };
                match self.verdict(document, model.model_type, &replicas, inventory.as_deref(), ask).await {
                    None | Some(Verdict::Fits) => {}
                    Some(Verdict::TooLarge(message) | Verdict::Split(message)) if estimates == Estimates::Bind => {
                        faults.push(Fault { path, message });
                    }
                    Some(Verdict::Tight(message) | Verdict::TooLarge(message) | Verdict::Split(message)) => {
                        warnings.push(Warning { path, message });
                    }
                }
            }
        }
        Faults::from_list(faults).map(|()| warnings)
    }

    /// Why a replica cannot run on its GPUs, now that its model is here; none if it can, or too little is known.
    pub(crate) async fn too_large(&self, desired: &Desired) -> Option<String> {
        let current = self.current();
        let model = current.document.models.iter().find(|model| model.name == *desired.model)?;
        let inventory = self.gpus().await;
        match self.verdict(&current.document, model.model_type, &[desired], inventory.as_deref(), Ask::Nobody).await? {
            Verdict::TooLarge(message) | Verdict::Split(message) => Some(message),
            Verdict::Fits | Verdict::Tight(_) => None,
        }
    }

    /// How replicas of one deployment stand to their GPUs; none where too little is known.
    async fn verdict(
        &self,
        document: &Document,
        model_type: ModelType,
        replicas: &[&Desired],
        inventory: Option<&Inventory>,
        ask: Ask,
    ) -> Option<Verdict> {
        let first = replicas.first().filter(|desired| shape::is_language_model(model_type) && runs_vllm(desired))?;
        let engine = &first.engine;
        let found = |desired: &&&Desired| of_replica(engine, desired.number, inventory?).ok();
        let devices: Vec<Vec<Device>> = replicas.iter().filter_map(|desired| found(&desired)).collect();
        let unified = &document.defaults.unified_memory;
        let own = devices.first().map_or(&[][..], Vec::as_slice);
        let share = share(engine, &first.words(), own, unified);
        // What people write comes last, and counts.
        let given = first.words();
        let words: Vec<_> = fitted(engine, &given, own, share, unified).into_iter().chain(given.clone()).collect();
        let options = Options::read(&words)?;
        let count = if own.is_empty() { engine.gpus.len() / engine.replicas.max(1) as usize } else { own.len() };
        let count = u64::try_from(count).unwrap_or(1);
        let split = options.split.unwrap_or_else(|| options.spread.shared_by(count)).max(1);
        let gpus: Vec<_> = devices.iter().flatten().filter(|device| device.memory.is_some()).collect();
        if split == 1 && options.spread.groups() == 1 && gpus.is_empty() {
            return None;
        }
        let shape = self.shape(engine, ask).await?;
        let margin = document.defaults.fit.margin;
        let asked = Asked { shape: &shape, options: &options, split, count, gpus: &gpus, share: share.value, margin };
        Some(judge(&asked))
    }
}

/// Whether what runs is `vllm serve`, whose arguments are known.
fn runs_vllm(desired: &Desired) -> bool {
    let command = &desired.engine.command;
    let is_serve = || {
        let program = command.first().and_then(|word| word.rsplit('/').next());
        program == Some("vllm") && command.get(1).is_some_and(|word| word == "serve")
    };
    match desired.engine.runtime {
        Runtime::Docker => command.is_empty(),
        Runtime::Process => is_serve(),
    }
}
