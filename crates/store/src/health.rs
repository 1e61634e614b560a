use crate::Cause;
use crate::database::Database;

/// Whether the store can be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// What is wrong, by database; empty when all is well.
    pub problems: Vec<Problem>,
}

/// One database that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What people call the database.
    pub database: &'static str,
    /// What is wrong with it.
    pub cause: Cause,
}

// === impl Health ===

impl Health {
    pub(crate) async fn of(databases: [&Database; 2]) -> Self {
        let mut problems = Vec::new();
        for database in databases {
            if let Some(cause) = database.health().await {
                problems.push(Problem { database: database.name(), cause });
            }
        }
        Self { problems }
    }

    /// Whether both databases can be written.
    pub fn is_well(&self) -> bool {
        self.problems.is_empty()
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.database, self.cause)
    }
}
