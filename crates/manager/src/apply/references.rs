use std::collections::{BTreeMap, HashSet};
use std::fmt;

use spec::{Change, ChangeKind, Document, ItemId, ItemKind, Reference, Warning};
use store::{KeyRow, TeamRow};

use super::ApplyError;

/// Names of keys and teams that one message lists.
const LISTED: usize = 5;
/// Models about which warnings are given.
const WARNED: usize = 100;

/// An item that is to be deleted, and what still leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Referred {
    pub(crate) id: ItemId,
    /// Who, so named that a person finds it; never empty.
    pub(crate) by: Vec<String>,
    pub(crate) how: Leads,
}

/// How something leads to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leads {
    /// A key has a name of its own for the model.
    Alias,
    /// Another item names it.
    Name,
}

/// Refuses to delete a model to which a key leads under a name of its own: its clients would get errors for a name that
/// nobody gave up.
pub(super) fn check(changes: &[Change], keys: &[KeyRow]) -> Result<(), ApplyError> {
    let is_gone = |change: &&Change| change.kind == ItemKind::MODEL && change.change == ChangeKind::Deleted;
    let referred = changes.iter().filter(is_gone).filter_map(|change| {
        let leads_there = |key: &&KeyRow| key.aliases.iter().any(|(_, model)| *model == change.name);
        let by: Vec<_> = alive(keys).filter(leads_there).map(label).collect();
        (!by.is_empty()).then(|| Referred { id: change.id(), by, how: Leads::Alias })
    });
    refuse(referred.collect())
}

/// Refuses to delete what other items of `new` name: that is a fault of the deletion, not of those items.
pub(super) fn check_deleted(old: &Document, new: &Document) -> Result<(), ApplyError> {
    let mut referred: Vec<Referred> = Vec::new();
    for Reference { from, path, to } in spec::references(new) {
        if new.item(&to).is_some() || old.item(&to).is_none() {
            continue;
        }
        let by = format!("{from} ({path})");
        match referred.iter_mut().find(|one| one.id == to) {
            Some(one) => one.by.push(by),
            None => referred.push(Referred { id: to, by: vec![by], how: Leads::Name }),
        }
    }
    refuse(referred)
}

fn refuse(referred: Vec<Referred>) -> Result<(), ApplyError> {
    if referred.is_empty() { Ok(()) } else { Err(ApplyError::Referred(referred)) }
}

/// Allow-lists that name a model which is not there: allowed, and worth a word.
pub(super) fn warnings(document: &Document, keys: &[KeyRow], teams: &[TeamRow]) -> Vec<Warning> {
    let models: HashSet<&str> = document.models.iter().map(|model| model.name.as_str()).collect();
    let mut missing: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let of_keys = alive(keys).map(|key| (&key.models, label(key)));
    let of_teams = teams.iter().map(|team| (&team.models, format!("team {}", team.alias.as_ref().unwrap_or(&team.id))));
    for (listed, who) in of_keys.chain(of_teams) {
        for model in listed.iter().filter(|model| !models.contains(model.as_str())) {
            missing.entry(model).or_default().push(who.clone());
        }
    }
    let warning = |(model, by): (&str, Vec<String>)| Warning {
        path: String::new(),
        message: format!("the allow-list of {} names the model `{model}`, which is not there", Names(&by)),
    };
    missing.into_iter().take(WARNED).map(warning).collect()
}

fn alive(keys: &[KeyRow]) -> impl Iterator<Item = &KeyRow> {
    keys.iter().filter(|key| key.deleted_at.is_none())
}

fn label(key: &KeyRow) -> String {
    format!("key {}", key.alias.as_ref().unwrap_or(&key.id))
}

/// The first few names, and how many more there are.
pub(crate) struct Names<'a>(pub(crate) &'a [String]);

// === impl Names ===

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", "))?;
        match self.0.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

// === impl Referred ===

impl fmt::Display for Referred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (names, is_one) = (Names(&self.by), self.by.len() == 1);
        match (self.how, is_one) {
            (Leads::Alias, true) => write!(
                f,
                "is deleted, but {names} leads to it under a name of its own; change the key, or keep the model"
            ),
            (Leads::Alias, false) => write!(
                f,
                "is deleted, but {names} lead to it under a name of their own; change the keys, or keep the model"
            ),
            (Leads::Name, _) => {
                let (verb, them) = if is_one { ("names", "it") } else { ("name", "them") };
                write!(f, "is deleted, but {names} {verb} it; change {them}, or keep the {}", self.id.kind)
            }
        }
    }
}
