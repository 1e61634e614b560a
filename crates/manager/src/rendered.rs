//! Files for other programs, made from what applies: in `rendered/` of the home, written with each revision.

use std::collections::BTreeMap;
use std::path::PathBuf;

use parking_lot::Mutex;
use render::{Facts, Rendered, Target};
use snapshot::Address;
use spec::Document;

use crate::Manager;
use crate::apply::projection::Projection;
use crate::apply::{Artifact, artifacts};

mod engines;

/// What Prometheus was told of engines last; none before the first time.
#[derive(Debug, Default)]
pub(crate) struct EngineTargets(Mutex<Option<String>>);

// === impl Manager ===

impl Manager {
    /// Every file that is generated from what applies.
    pub(crate) fn generated(&self, projection: &Projection<'_>) -> Vec<Artifact> {
        let Projection { revision, digest, document, .. } = *projection;
        let mut files = artifacts(&self.config().home, projection);
        files.extend(Target::ALL.map(|target| Artifact {
            path: self.rendered_path(target),
            content: self.render(target, revision, digest, document).text.into_bytes(),
        }));
        files
    }

    /// The file for one program, as it is made of a document.
    pub(crate) fn render(&self, target: Target, revision: u64, digest: &str, document: &Document) -> Rendered {
        let addresses = self.config().addresses;
        let facts = Facts { revision, digest, client: addresses.client, admin: addresses.admin };
        render::render(target, document, &facts)
    }

    /// Where it lies.
    pub(crate) fn rendered_path(&self, target: Target) -> PathBuf {
        self.config().home.rendered().join(target.file_name())
    }

    /// Takes away what an apply that was cut off has left.
    pub(crate) fn clear_unfinished(&self) {
        let names: Vec<_> = Target::ALL.iter().map(|target| target.file_name()).chain([render::ENGINES]).collect();
        self.config().home.clear_unfinished(&names);
    }

    /// Tells Prometheus which engines there are, where that has changed.
    pub(crate) fn tell_engine_targets(&self, document: &Document, ready: &BTreeMap<String, Address>) {
        let text = engines::targets(document, ready);
        let mut told = self.inner().engine_targets.0.lock();
        if told.as_ref() == Some(&text) {
            return;
        }
        match engines::write(&self.config().home.rendered().join(render::ENGINES), &text) {
            Ok(()) => *told = Some(text),
            Err(error) => tracing::warn!(%error, "Prometheus cannot be told which engines there are"),
        }
    }
}

#[cfg(test)]
mod tests;
