use std::collections::HashMap;

use ambient::Timestamp;
use spec::Document;
use store::{ModelRow, NewRevision, Revision};

/// The revision that applies, as read from the store or just committed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Current {
    /// Number of the revision; 0 before the first apply.
    pub(crate) revision: u64,
    /// Lower-case hex SHA-256 of the document's JSON; empty before the first apply.
    pub(crate) digest: String,
    /// When it was applied.
    pub(crate) applied_at: Timestamp,
    /// The desired state.
    pub(crate) document: Document,
    /// What outlives revisions about models, by name; holds every model of the document.
    models: HashMap<String, ModelRow>,
}

/// The stored document cannot be read by this version.
#[derive(Debug, thiserror::Error)]
#[error("revision {revision} in enginehouse.db cannot be read: {cause}; was it written by a later version?")]
pub struct UnreadableRevision {
    /// Number of the revision.
    pub revision: u64,
    /// What is wrong; told in the text, so it is no `source`.
    pub cause: serde_json::Error,
}

// === impl Current ===

impl Current {
    pub(crate) fn from_store(revision: Revision, models: Vec<ModelRow>) -> Result<Self, UnreadableRevision> {
        let Revision { summary, document } = revision;
        let document =
            serde_json::from_str(&document).map_err(|cause| UnreadableRevision { revision: summary.number, cause })?;
        Ok(Self {
            revision: summary.number,
            digest: summary.digest,
            applied_at: summary.applied_at,
            document,
            models: models.into_iter().map(|row| (row.name.clone(), row)).collect(),
        })
    }

    /// A document that is not applied, to see what would come of it.
    pub(crate) fn tentative(document: Document) -> Self {
        Self { document, ..Self::default() }
    }

    /// What applies once `new` is committed.
    pub(crate) fn after(&self, document: Document, new: &NewRevision<'_>) -> Self {
        let mut models = self.models.clone();
        let (at, number) = (new.summary.applied_at, new.summary.number);
        for name in new.priced {
            let row = ModelRow { name: (*name).to_owned(), created_at: at, price_version: number };
            models.entry(row.name.clone()).or_insert(row).price_version = number;
        }
        Self { revision: number, digest: new.summary.digest.clone(), applied_at: at, document, models }
    }

    /// Names of the models in `next` whose price differs from the one that applies, new models among them.
    pub(crate) fn repriced<'d>(&self, next: &'d Document) -> Vec<&'d str> {
        let unchanged = |model: &spec::Model| {
            self.models.contains_key(&model.name)
                && self.document.models.iter().any(|old| old.name == model.name && old.price == model.price)
        };
        next.models.iter().filter(|model| !unchanged(model)).map(|model| model.name.as_str()).collect()
    }

    /// When a revision first held the model.
    pub(crate) fn created_at(&self, model: &str) -> Timestamp {
        self.models.get(model).map_or(self.applied_at, |row| row.created_at)
    }

    /// Number of the revision that set the model's price.
    pub(crate) fn price_version(&self, model: &str) -> u64 {
        self.models.get(model).map_or(self.revision, |row| row.price_version)
    }
}
