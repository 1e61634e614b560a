use std::collections::BTreeMap;
use std::sync::Arc;

use ambient::Timestamp;
use ledger::Nanos;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use snapshot::{KeyKind, Strategy};
use store::{KeyRow, Spend, Spending};
use utoipa::ToSchema;

use crate::access::Role;
use crate::api::Problem;
use crate::api::limits::LimitsView;
use crate::budgets::RunSpend;
use crate::compiler::key_period;
use crate::keys::{Changed, Issued, after};
use crate::{Actor, Manager};

/// A key. Its secret is never shown again.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct KeyView {
    /// Lasts for the life of the key, also through rotation; what the books know it by.
    id: String,
    /// Name given by people.
    alias: Option<String>,
    /// `sk-...` and the last four characters.
    key_name: String,
    /// Lower-case hex SHA-256 of the key, by which LiteLLM's paths know it; left out for the role viewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    /// Models that it may use; empty allows all.
    models: Vec<String>,
    /// What it is good for: `virtual` or `direct` routes.
    #[schema(value_type = String)]
    kind: KeyKind,
    /// Names that stand for models when this key says them.
    aliases: BTreeMap<String, String>,
    #[serde(flatten)]
    limits: LimitsView,
    /// Whom it belongs to.
    owner: Option<String>,
    /// Id of the team that it belongs to.
    team: Option<String>,
    /// What its requests are labelled with in the books.
    tags: Vec<String>,
    /// Further tries after a failed one, where they differ from the settings.
    retries: Option<u32>,
    /// How a deployment is chosen for it, of whatever model; null: as for everybody.
    #[schema(value_type = Option<String>)]
    strategy: Option<Strategy>,
    /// Models that take over for it from one that failed, by that one's name.
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    fallbacks: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// Whether no other model ever takes over for it.
    disable_fallbacks: bool,
    /// What it spent, in units of the currency.
    spend: f64,
    /// The same in thousand-millionths: exact.
    spend_nanos: i64,
    /// Requests that have ended.
    requests: u64,
    /// Tokens of prompts and answers.
    tokens: u64,
    /// When it stops working.
    expires_at: Option<String>,
    /// Whether it has.
    expired: bool,
    /// Whether it is blocked.
    blocked: bool,
    /// Whatever people attached.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// When it was made.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
    /// What did not go as it should, though the change stands.
    warnings: Vec<String>,
}

/// A key whose secret was made just now.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct IssuedKeyView {
    /// The key itself; shown this once.
    key: String,
    #[serde(flatten)]
    view: KeyView,
}

/// When a key stops working, in either of two ways.
#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::api) struct Expiry<'a> {
    pub(in crate::api) expires_at: Option<&'a str>,
    pub(in crate::api) duration: Option<&'a str>,
}

// === impl KeyView ===

impl KeyView {
    pub(super) fn new(row: KeyRow, spend: Spend, run: Option<RunSpend>, now: Timestamp) -> Self {
        Self {
            limits: LimitsView::new(&row.limits, run),
            kind: row.kind,
            aliases: row.aliases,
            owner: row.owner,
            team: row.team,
            tags: row.tags,
            retries: row.retries,
            strategy: row.routing.strategy,
            fallbacks: row.routing.fallbacks,
            disable_fallbacks: row.routing.disable_fallbacks,
            expired: row.expires_at.is_some_and(|at| now >= at),
            id: row.id,
            alias: row.alias,
            key_name: row.key_name,
            hash: Some(row.hash.to_string()),
            models: row.models,
            spend: spend.cost.as_units(),
            spend_nanos: spend.cost.0,
            requests: spend.requests,
            tokens: spend.tokens,
            expires_at: row.expires_at.map(|at| at.to_string()),
            blocked: row.blocked,
            metadata: row.metadata,
            created_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
            warnings: Vec::new(),
        }
    }

    /// As somebody may see it who asked for it.
    pub(super) fn shown_to(mut self, actor: &Actor) -> Self {
        self.hash = self.hash.filter(|_| actor.access().role == Role::Admin);
        self
    }

    /// Says which of its models do not exist.
    pub(super) fn warn_of_unknown_models(mut self, manager: &Manager) -> Self {
        self.warnings.extend(manager.unknown_models(&self.models));
        self
    }

    /// With what the books say.
    pub(super) async fn read(manager: &Manager, row: KeyRow) -> Result<Self, store::Error> {
        let spend = manager.store().events().spend_of(&row.id).await?;
        let period = key_period(&row);
        let run = manager.budgets(period).await?.run(period, |spending| spent_by(spending, &row.id));
        Ok(Self::new(row, spend, run, manager.config().clock.now()))
    }

    /// A key that was changed. What it spent is left at nothing where the books cannot be read: the change stands.
    pub(super) async fn of_changed(manager: &Manager, changed: Changed) -> Self {
        let mut warnings: Vec<_> = changed.behind.err().map(|behind| behind.to_string()).into_iter().collect();
        let view = match Self::read(manager, changed.row.clone()).await {
            Ok(view) => view,
            Err(error) => {
                warnings.push(format!("what the key spent cannot be read: {}", error.cause));
                Self::new(changed.row, Spend::default(), None, manager.config().clock.now())
            }
        };
        Self { warnings, ..view }
    }
}

/// What a key spent.
pub(super) fn spent_by(spending: &Spending, id: &str) -> Nanos {
    spending.keys.get(id).copied().unwrap_or_default()
}

// === impl IssuedKeyView ===

impl IssuedKeyView {
    pub(super) async fn of_issued(manager: &Manager, issued: Issued) -> Self {
        let Issued { secret, changed } = issued;
        Self { key: secret.expose().to_owned(), view: KeyView::of_changed(manager, changed).await }
    }

    /// Says which of its models do not exist.
    pub(super) fn warn_of_unknown_models(mut self, manager: &Manager) -> Self {
        self.view = self.view.warn_of_unknown_models(manager);
        self
    }
}

// === impl Expiry ===

impl Expiry<'_> {
    /// The moment, if any was given.
    pub(in crate::api) fn moment(&self, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
        match (self.expires_at, self.duration) {
            (Some(_), Some(_)) => Err(Problem::unfit("duration", "cannot be given together with expires_at")),
            (None, None) => Ok(None),
            (None, Some(length)) => {
                after(now, length).map(Some).map_err(|unfit| Problem::unfit("duration", unfit.to_string()))
            }
            (Some(moment), None) => match moment.parse::<jiff::Timestamp>() {
                Ok(moment) => Ok(Some(Timestamp::from_micros(moment.as_microsecond()))),
                Err(_) => Err(Problem::unfit("expires_at", "is no moment; write it as 2026-12-31T23:59:59Z")),
            },
        }
    }
}
