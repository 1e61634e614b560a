//! Where the store of a home is. A home keeps in mind that it is in PostgreSQL: whoever forgets to name that database would
//! else begin a second store in the home, and change that.

use std::path::PathBuf;

use store::CopyPart;

use super::{Home, HomeError, secret};

/// What stands in the file. Nothing of the URL: there may be a password in it.
const POSTGRES: &str = "postgresql\n";

// === impl Home ===

impl Home {
    /// There while the store of this home is in PostgreSQL.
    pub(crate) fn store_place(&self) -> PathBuf {
        self.path().join("store")
    }

    /// Whether the store of this home is in a database that has to be named.
    pub fn has_store_elsewhere(&self) -> bool {
        self.store_place().exists()
    }

    /// Fails if no database is named and the store of this home is in one.
    pub(crate) fn check_store(&self, names_database: bool) -> Result<(), HomeError> {
        if names_database || !self.has_store_elsewhere() {
            return Ok(());
        }
        Err(HomeError::StoreElsewhere { home: self.path().to_owned() })
    }

    /// Whether there is a store in the home itself.
    pub(crate) fn has_store_files(&self) -> bool {
        CopyPart::ALL.iter().any(|part| part.files(self.path()).iter().any(|path| path.exists()))
    }

    /// Keeps in mind that the store is in PostgreSQL.
    pub(crate) fn set_store_elsewhere(&self) -> Result<(), HomeError> {
        if self.has_store_elsewhere() {
            return Ok(());
        }
        let path = self.store_place();
        secret::write(&path, POSTGRES).map_err(|cause| HomeError::Io { path, cause })
    }
}
