use super::Check;
use crate::database;
use crate::home::Home;

const NAME: &str = "database";
const GUIDE: &str = "postgresql.md#when-something-is-wrong";

/// Whether the database that the environment names can be used; nothing where it names none.
pub(super) async fn check(home: &Home) -> Option<Check> {
    let url = match database::from_environment(home) {
        Ok(Some(url)) => url,
        Ok(None) if manager::Home::at(home.path()).has_store_elsewhere() => {
            let seen = "the store of this home is in PostgreSQL, and no database is named";
            let advice = "set ENGINEHOUSE_DATABASE_URL (or ENGINEHOUSE_DATABASE_URL_FILE) as the service has it";
            return Some(Check::fail(NAME, seen.to_owned(), advice, GUIDE));
        }
        Ok(None) => return None,
        Err(error) => return Some(Check::fail(NAME, error.to_string(), "correct the variable", GUIDE)),
    };
    let look = match url.look().await {
        Ok(look) => look,
        Err(error) => return Some(Check::fail(NAME, format!("{url}: {}", error.cause), &error.detail, GUIDE)),
    };
    let encrypted = if look.is_encrypted { "encrypted" } else { "not encrypted" };
    let user = look.holder.map_or_else(|| "no manager uses it".to_owned(), |holder| format!("used by {holder}"));
    let seen = format!("PostgreSQL {}, {url}, {encrypted}; {user}", look.version);
    Some(if look.is_read_only {
        let advice = "requests are served, changes are not: point the variable at the primary server";
        Check::fail(NAME, format!("{seen}; it is read-only"), advice, GUIDE)
    } else if look.may_create {
        Check::ok(NAME, format!("{seen}; it can be written"))
    } else {
        let advice = "let the user make the schemas: GRANT CREATE ON DATABASE ... TO ...";
        Check::fail(NAME, format!("{seen}; its tables cannot be made"), advice, GUIDE)
    })
}
