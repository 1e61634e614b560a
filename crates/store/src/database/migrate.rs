use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use super::Part;
use crate::{Cause, Error, PostgresUrl, Result};

/// Brings the tables of a schema up to date, making the schema if there is none. Writes nothing where nothing is to be
/// done, so that a server that is read-only for now can be opened.
pub(super) async fn postgres(url: &PostgresUrl, part: Part) -> Result<()> {
    let name = part.postgres_name();
    let error = |error: sqlx::Error| Error::from_sqlx(name, &error);
    // Without a bound on statements: a table may be large.
    let options = url.options().clone().options([("search_path", part.schema())]);
    let mut connection = options.connect().await.map_err(error)?;
    let migrations = part.postgres_migrations();
    if !has_schema(&mut connection, part).await.map_err(error)? {
        // Out of this program, not of anybody's input.
        let create = AssertSqlSafe(format!("CREATE SCHEMA {}", part.schema()));
        sqlx::raw_sql(create).execute(&mut connection).await.map_err(error)?;
    } else if is_up_to_date(&mut connection, migrations).await {
        return Ok(());
    }
    migrations.run(&mut connection).await.map_err(|error| failure(name, &error))?;
    connection.close().await.map_err(error)
}

async fn has_schema(connection: &mut PgConnection, part: Part) -> sqlx::Result<bool> {
    let sql = "SELECT COUNT(*) AS found FROM pg_namespace WHERE nspname = $1";
    let row = sqlx::query(sql).bind(part.schema()).fetch_one(connection).await?;
    row.try_get::<i64, _>("found").map(|found| found > 0)
}

/// Whether exactly our migrations were made. Where that cannot be told, the migrator has to say why.
async fn is_up_to_date(connection: &mut PgConnection, migrations: &Migrator) -> bool {
    let sql = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
    let Ok(rows) = sqlx::query(sql).fetch_all(connection).await else { return false };
    let made: Vec<(i64, Vec<u8>)> =
        rows.iter().filter_map(|row| Some((row.try_get("version").ok()?, row.try_get("checksum").ok()?))).collect();
    migrations.iter().map(|migration| (migration.version, migration.checksum.to_vec())).eq(made)
}

/// Why the tables are not up to date.
pub(crate) fn failure(name: &'static str, error: &MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Error::from_sqlx(name, error),
        other => Error::new(name, Cause::Other, format!("cannot bring the tables up to date: {other}")),
    }
}
