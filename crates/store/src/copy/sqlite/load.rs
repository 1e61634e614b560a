use std::path::Path;

use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::dump::{fault, tables};
use super::value;
use crate::copy::{CopyPart, CopyRow, LoadError, TableShape, only, quoted};
use crate::database::create;

/// Two files that are being filled.
#[derive(Debug)]
pub(crate) struct Load {
    ledger: Filling,
    main: Filling,
}

#[derive(Debug)]
struct Filling {
    part: CopyPart,
    connection: SqliteConnection,
    tables: Vec<TableShape>,
}

// === impl Load ===

impl Load {
    pub(crate) async fn begin(home: &Path, migrations: impl Fn(CopyPart) -> Vec<i64>) -> Result<Self, LoadError> {
        let ledger = Filling::begin(home, CopyPart::Ledger, migrations(CopyPart::Ledger)).await?;
        Ok(Self { ledger, main: Filling::begin(home, CopyPart::Main, migrations(CopyPart::Main)).await? })
    }

    pub(crate) async fn insert(
        &mut self,
        part: CopyPart,
        table: &TableShape,
        rows: &[CopyRow],
    ) -> Result<(), LoadError> {
        match part {
            CopyPart::Ledger => self.ledger.insert(table, rows).await,
            CopyPart::Main => self.main.insert(table, rows).await,
        }
    }

    pub(crate) async fn finish(self) -> Result<(), LoadError> {
        for filling in [self.ledger, self.main] {
            filling.finish().await?;
        }
        Ok(())
    }
}

// === impl Filling ===

impl Filling {
    async fn begin(home: &Path, part: CopyPart, versions: Vec<i64>) -> Result<Self, LoadError> {
        let migrator = only(part, part.part().sqlite_migrations(), versions)?;
        let begun = async {
            let path = home.join(part.file());
            create(&path)?;
            let options = SqliteConnectOptions::new()
                .filename(path)
                .auto_vacuum(SqliteAutoVacuum::Incremental)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full);
            let mut connection = options.connect().await?;
            migrator.run(&mut connection).await.map_err(|error| sqlx::Error::Migrate(error.into()))?;
            let tables = tables(&mut connection).await?;
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
            Ok((connection, tables))
        };
        let (connection, tables) = begun.await.map_err(|error: sqlx::Error| fault(part, &error))?;
        Ok(Self { part, connection, tables })
    }

    async fn insert(&mut self, table: &TableShape, rows: &[CopyRow]) -> Result<(), LoadError> {
        let unfit = |why| LoadError::Unfit { part: self.part, table: table.name.clone(), why };
        table.fits(self.tables.iter(), rows).map_err(unfit)?;
        let places = (1..=table.columns.len()).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
        let (name, columns) = (quoted(&table.name), table.column_list());
        let sql = format!("INSERT INTO {name} ({columns}) VALUES ({places})");
        for row in rows {
            let mut query = sqlx::query(AssertSqlSafe(sql.as_str()));
            for (value, column) in row.iter().zip(&table.columns) {
                query = value::bind(query, value, column.kind).ok_or_else(|| unfit("a value is of another kind"))?;
            }
            query.execute(&mut self.connection).await.map_err(|error| fault(self.part, &error))?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), LoadError> {
        let committed = async {
            sqlx::query("COMMIT").execute(&mut self.connection).await?;
            self.connection.close().await
        };
        committed.await.map_err(|error| fault(self.part, &error).into())
    }
}
