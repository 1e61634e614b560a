use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use super::dump::fault;
use super::{CONNECT, mark, options, shape, value};
use crate::copy::{CopyPart, CopyRow, LoadError, TableShape, only, quoted};
use crate::database::{claim, failure};
use crate::{Error, PostgresUrl};

/// Both schemas, made and filled in one transaction.
#[derive(Debug)]
pub(crate) struct Load {
    transaction: Transaction<'static, Postgres>,
    /// Has the one connection, which keeps other managers away.
    pool: PgPool,
    tables: [(CopyPart, Vec<TableShape>); 2],
    /// Schemas that were in the way.
    set_aside: Vec<String>,
}

/// Whether there are tables in a schema; none if there is no such schema.
const HAS_TABLES: &str = "SELECT EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = pg_namespace.oid)
    FROM pg_namespace WHERE nspname = $1";

/// Columns whose numbers the server gives out.
const COUNTING: &str = "SELECT relname::TEXT, attname::TEXT FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = to_regnamespace($1) AND attidentity <> '' AND NOT attisdropped";

// === impl Load ===

impl Load {
    pub(crate) async fn begin(
        url: &PostgresUrl,
        versions: [Vec<i64>; 2],
        aside: Option<&str>,
    ) -> Result<Self, LoadError> {
        let [ledger, main] = CopyPart::ALL;
        let pool =
            PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT).max_lifetime(None).idle_timeout(None);
        let pool = pool.connect_lazy_with(options(url));
        let other = |error: sqlx::Error| LoadError::from(fault(main, &error));
        let mut connection = pool.acquire().await.map_err(other)?;
        claim::take(main.postgres_name(), &mut connection, None).await?;
        drop(connection);
        // It is the only one of the pool, and so the same.
        let mut transaction = pool.begin().await.map_err(other)?;
        let mut set_aside = Vec::new();
        for part in CopyPart::ALL {
            set_aside.extend(make_room(&mut transaction, url, part, aside).await?);
        }
        let [ledger_versions, main_versions] = versions;
        let tables = [
            (ledger, make(&mut transaction, ledger, ledger_versions).await?),
            (main, make(&mut transaction, main, main_versions).await?),
        ];
        Ok(Self { transaction, pool, tables, set_aside })
    }

    pub(crate) fn set_aside(&self) -> &[String] {
        &self.set_aside
    }

    pub(crate) async fn insert(
        &mut self,
        part: CopyPart,
        table: &TableShape,
        rows: &[CopyRow],
    ) -> Result<(), LoadError> {
        let unfit = |why| LoadError::Unfit { part, table: table.name.clone(), why };
        let of_part = self.tables.iter().filter(|(of, _)| *of == part).flat_map(|(_, tables)| tables);
        table.fits(of_part, rows).map_err(unfit)?;
        let mut arguments = PgArguments::default();
        for (at, column) in table.columns.iter().enumerate() {
            let added = value::add_column(&mut arguments, rows, at, column.kind);
            added.map_err(|_| unfit("a value is of another kind"))?;
        }
        let types = table.columns.iter().enumerate();
        let types: Vec<_> =
            types.map(|(at, column)| format!("${}::{}[]", at + 1, value::type_name(column.kind))).collect();
        let (name, columns, types) = (table.within(part.schema()), table.column_list(), types.join(", "));
        let sql = format!("INSERT INTO {name} ({columns}) SELECT * FROM UNNEST({types})");
        let done = sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut *self.transaction).await;
        done.map(drop).map_err(|error| {
            let Error { database, cause, detail } = fault(part, &error);
            Error::new(database, cause, format!("{}: {detail}", table.name)).into()
        })
    }

    pub(crate) async fn finish(mut self, mark: &str) -> Result<(), LoadError> {
        let main = CopyPart::Main;
        let finished = async {
            for part in CopyPart::ALL {
                count_on(&mut self.transaction, part).await?;
            }
            mark::put(&mut self.transaction, mark).await?;
            self.transaction.commit().await?;
            self.pool.close().await;
            Ok(())
        };
        finished.await.map_err(|error: sqlx::Error| fault(main, &error).into())
    }
}

/// Makes an empty schema; the name that one gets which was there.
async fn make_room(
    connection: &mut PgConnection,
    url: &PostgresUrl,
    part: CopyPart,
    aside: Option<&str>,
) -> Result<Option<String>, LoadError> {
    let schema = part.schema();
    let other = |error: sqlx::Error| LoadError::from(fault(part, &error));
    let has_tables = sqlx::query_scalar::<_, bool>(HAS_TABLES).bind(schema).fetch_optional(&mut *connection).await;
    let mut commands = vec![format!("CREATE SCHEMA {schema}")];
    let mut moved = None;
    match (has_tables.map_err(other)?, aside) {
        (None, _) => {}
        (Some(false), _) => commands.clear(),
        (Some(true), None) => return Err(LoadError::NotEmpty { place: url.to_string(), schema }),
        (Some(true), Some(word)) => {
            let name = format!("{schema}_{word}");
            commands.insert(0, format!("ALTER SCHEMA {schema} RENAME TO {}", quoted(&name)));
            moved = Some(name);
        }
    }
    for command in commands {
        sqlx::raw_sql(AssertSqlSafe(command)).execute(&mut *connection).await.map_err(other)?;
    }
    Ok(moved)
}

/// Makes the tables of a part; which they are.
async fn make(connection: &mut PgConnection, part: CopyPart, versions: Vec<i64>) -> Result<Vec<TableShape>, LoadError> {
    let migrator = only(part, part.part().postgres_migrations(), versions)?;
    let other = |error: sqlx::Error| LoadError::from(fault(part, &error));
    let here = AssertSqlSafe(format!("SET LOCAL search_path = {}", part.schema()));
    sqlx::raw_sql(here).execute(&mut *connection).await.map_err(other)?;
    migrator.run(&mut *connection).await.map_err(|error| failure(part.postgres_name(), &error))?;
    shape::tables(connection, part.part()).await.map_err(other)
}

/// Lets the server give out numbers behind those that are there.
async fn count_on(connection: &mut PgConnection, part: CopyPart) -> sqlx::Result<()> {
    let counting: Vec<(String, String)> =
        sqlx::query_as(COUNTING).bind(part.schema()).fetch_all(&mut *connection).await?;
    for (name, column) in counting {
        let table = TableShape { name, columns: Vec::new() }.within(part.schema());
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence($1, $2), (SELECT COALESCE(MAX({}), 0) + 1 FROM {table}), FALSE)",
            quoted(&column)
        );
        sqlx::query(AssertSqlSafe(sql)).bind(&table).bind(&column).execute(&mut *connection).await?;
    }
    Ok(())
}
