use std::collections::BTreeMap;
use std::sync::Arc;

use ambient::Timestamp;
use ledger::Nanos;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use snapshot::{Period, Strategy};
use store::RowLimits;

use super::{KeyFields, Seen};

/// What becomes of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Edit<T> {
    /// It stays.
    #[default]
    Keep,
    /// It becomes this.
    Set(T),
}

/// What becomes of the fields of a key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct KeyEdit {
    /// What it must still be.
    pub(crate) seen: Seen,
    pub(crate) alias: Edit<Option<String>>,
    pub(crate) models: Edit<Vec<String>>,
    pub(crate) aliases: Edit<BTreeMap<String, String>>,
    pub(crate) limits: LimitsEdit,
    pub(crate) owner: Edit<Option<String>>,
    pub(crate) team: Edit<Option<String>>,
    pub(crate) tags: Edit<Vec<String>>,
    pub(crate) retries: Edit<Option<u32>>,
    pub(crate) strategy: Edit<Option<Strategy>>,
    pub(crate) fallbacks: Edit<BTreeMap<Arc<str>, Vec<Arc<str>>>>,
    pub(crate) disable_fallbacks: Edit<bool>,
    pub(crate) expires_at: Edit<Option<Timestamp>>,
    pub(crate) blocked: Edit<bool>,
    pub(crate) metadata: Edit<Map<String, Value>>,
}

/// What becomes of the limits of a key or a team.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LimitsEdit {
    pub(crate) rpm: Edit<Option<u64>>,
    pub(crate) tpm: Edit<Option<u64>>,
    pub(crate) max_parallel: Edit<Option<u64>>,
    pub(crate) max_budget: Edit<Option<Nanos>>,
    pub(crate) budget_period: Edit<Option<Period>>,
}

// === impl Edit ===

impl<T> Edit<T> {
    /// Translates what the field becomes.
    pub(crate) fn try_map<U, E>(self, translate: impl FnOnce(T) -> Result<U, E>) -> Result<Edit<U>, E> {
        match self {
            Self::Keep => Ok(Edit::Keep),
            Self::Set(value) => translate(value).map(Edit::Set),
        }
    }

    pub(crate) fn apply(self, field: &mut T) {
        if let Self::Set(value) = self {
            *field = value;
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Edit<T> {
    /// A field that is there, null included. One that is left out keeps its default.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::Set)
    }
}

// === impl KeyEdit ===

impl KeyEdit {
    /// Blocks or unblocks.
    pub(crate) fn blocked(blocked: bool) -> Self {
        Self { blocked: Edit::Set(blocked), ..Self::default() }
    }

    /// Makes the changes.
    pub(crate) fn apply(self, fields: &mut KeyFields) {
        let Self { seen: _, alias, models, aliases, limits, owner, team, tags, retries, .. } = self;
        let Self { strategy, fallbacks, disable_fallbacks, expires_at, blocked, metadata, .. } = self;
        alias.apply(&mut fields.alias);
        models.apply(&mut fields.models);
        aliases.apply(&mut fields.aliases);
        limits.apply(&mut fields.limits);
        owner.apply(&mut fields.owner);
        team.apply(&mut fields.team);
        tags.apply(&mut fields.tags);
        retries.apply(&mut fields.retries);
        strategy.apply(&mut fields.routing.strategy);
        fallbacks.apply(&mut fields.routing.fallbacks);
        disable_fallbacks.apply(&mut fields.routing.disable_fallbacks);
        expires_at.apply(&mut fields.expires_at);
        blocked.apply(&mut fields.blocked);
        metadata.apply(&mut fields.metadata);
    }
}

// === impl LimitsEdit ===

impl LimitsEdit {
    /// Makes the changes.
    pub(crate) fn apply(self, limits: &mut RowLimits) {
        let Self { rpm, tpm, max_parallel, max_budget, budget_period } = self;
        rpm.apply(&mut limits.rpm);
        tpm.apply(&mut limits.tpm);
        max_parallel.apply(&mut limits.max_parallel);
        max_budget.apply(&mut limits.max_budget);
        budget_period.apply(&mut limits.budget_period);
    }
}
