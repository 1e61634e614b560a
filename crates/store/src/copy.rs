//! Taking everything out of a store, and putting it into a new one: table by table, row by row, in a form that knows no
//! database. A copy that is put back gets the tables that it came from first; what was changed in them since is made up
//! for when the store is opened.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::database::Part;

mod dump;
mod load;
#[cfg(test)]
mod tests;
mod value;

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

    const fn file(self) -> &'static str {
        self.part().file()
    }

    fn migrations(self) -> &'static sqlx::migrate::Migrator {
        self.part().sqlite_migrations()
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
}

/// A name as SQL takes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
