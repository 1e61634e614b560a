//! Taking everything out of a store, and putting it into a new one: table by table, row by row, in a form that knows no
//! database. A copy that is put back gets the tables that it came from first; what was changed in them since is made up
//! for when the store is opened.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::migrate::Migrator;

use crate::database::Part;

mod dump;
mod load;
mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;

pub use dump::Dump;
pub use load::{Load, LoadError};

/// One of the two parts of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CopyPart {
    /// The books.
    Ledger,
    /// What people made: revisions, keys, settings, audit.
    Main,
}

/// A table of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableShape {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<ColumnShape>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnShape {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub kind: ColumnKind,
    /// Its place in what tells rows apart; none if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<u32>,
}

/// What is in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Whole numbers.
    Int,
    /// True or false.
    Bool,
    /// Text.
    Text,
    /// Bytes; as hex in a [`CopyRow`].
    Bytes,
}

/// A row: one value for each column.
pub type CopyRow = Vec<Value>;

// === impl CopyPart ===

impl CopyPart {
    /// Both. The books come first: a key that is in them is then in what people made, too.
    pub const ALL: [Self; 2] = [Self::Ledger, Self::Main];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Main => "main",
        }
    }

    /// Numbers of all migrations that this program knows.
    pub fn newest(self) -> Vec<i64> {
        self.part().sqlite_migrations().iter().map(|migration| migration.version).collect()
    }

    /// The files that it may have in a home.
    pub fn files(self, home: &Path) -> [PathBuf; 3] {
        ["", "-wal", "-shm"].map(|end| home.join(format!("{}{end}", self.file())))
    }

    const fn file(self) -> &'static str {
        self.part().file()
    }

    const fn schema(self) -> &'static str {
        self.part().schema()
    }

    const fn postgres_name(self) -> &'static str {
        self.part().postgres_name()
    }

    const fn part(self) -> Part {
        match self {
            Self::Ledger => Part::Ledger,
            Self::Main => Part::Main,
        }
    }
}

impl fmt::Display for CopyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl TableShape ===

impl TableShape {
    /// The columns that tell rows apart, in their order; all of them where none does.
    fn key(&self) -> Vec<usize> {
        let mut key: Vec<_> = (0..self.columns.len()).filter(|at| self.columns[*at].key.is_some()).collect();
        key.sort_by_key(|at| self.columns[*at].key);
        if key.is_empty() { (0..self.columns.len()).collect() } else { key }
    }

    fn column_list(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|column| quoted(&column.name)).collect();
        names.join(", ")
    }

    /// Its full name in a database with schemas.
    fn within(&self, schema: &str) -> String {
        format!("{schema}.{}", quoted(&self.name))
    }

    /// A query for a page of its rows; for one `behind` another, its places stand for [`key_of`](Self::key_of) that.
    fn page(&self, name: &str, behind: bool, most: u32) -> String {
        let key = self.key();
        let names = key.iter().map(|at| quoted(&self.columns[*at].name)).collect::<Vec<_>>().join(", ");
        let places = (1..=key.len()).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
        let behind = if behind { format!("WHERE ({names}) > ({places})") } else { String::new() };
        format!("SELECT {} FROM {name} {behind} ORDER BY {names} LIMIT {most}", self.column_list())
    }

    /// What tells a row from all others, if there is one.
    fn key_of<'r>(&self, row: Option<&'r CopyRow>) -> Vec<(Option<&'r Value>, ColumnKind)> {
        let of = |row: &'r CopyRow| self.key().into_iter().map(|at| (row.get(at), self.columns[at].kind)).collect();
        row.map(of).unwrap_or_default()
    }

    /// Whether rows can be put into one of the `known` tables; why not.
    fn fits<'k>(&self, mut known: impl Iterator<Item = &'k Self>, rows: &[CopyRow]) -> Result<(), &'static str> {
        let known = known.find(|known| known.name == self.name).ok_or("there is no such table")?;
        let has_column = |of: &ColumnShape| known.columns.iter().any(|column| column.name == of.name);
        if !self.columns.iter().all(has_column) {
            return Err("it has other columns");
        }
        let is_whole = |row: &CopyRow| row.len() == self.columns.len();
        if rows.iter().all(is_whole) { Ok(()) } else { Err("a row has more or fewer values than there are columns") }
    }
}

/// A name as SQL takes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The migrations of these numbers.
fn only(part: CopyPart, all: &Migrator, versions: Vec<i64>) -> Result<Migrator, LoadError> {
    let wanted: BTreeSet<_> = versions.into_iter().collect();
    let chosen: Vec<_> = all.iter().filter(|known| wanted.contains(&known.version)).cloned().collect();
    let known: BTreeSet<_> = chosen.iter().map(|migration| migration.version).collect();
    match wanted.difference(&known).next() {
        Some(migration) => Err(LoadError::Newer { part, migration: *migration }),
        None => Ok(Migrator { migrations: Cow::Owned(chosen), ..Migrator::DEFAULT }),
    }
}
