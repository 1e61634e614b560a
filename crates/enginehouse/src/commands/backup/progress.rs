use manager::backup::{Doing, Progress, Step};

use crate::output;

/// Rows of a table between two words about it.
const EVERY: u64 = 100_000;

/// Tells the person how far it is, where that takes long.
pub(crate) fn told() -> Progress {
    Progress::new(|step| {
        if step.rows / EVERY > step.before / EVERY {
            output::note(&line(step));
        }
    })
}

fn line(step: &Step<'_>) -> String {
    let done = match step.doing {
        Doing::Saving => "saved",
        Doing::Unpacking => "unpacked",
        Doing::Filling => "put into the database",
    };
    let of = step.of.map(|of| format!(" of {of}")).unwrap_or_default();
    format!("{} of {}: {}{of} rows {done}", step.table, step.part, step.rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_told_with_how_many_there_are() {
        let part = serde_json::from_value(json!("ledger")).unwrap();
        let step = Step { doing: Doing::Unpacking, part, table: "events", before: 0, rows: 7, of: Some(9) };
        assert_eq!(line(&step), "events of ledger: 7 of 9 rows unpacked");
        assert_eq!(line(&Step { of: None, doing: Doing::Saving, ..step }), "events of ledger: 7 rows saved");
    }
}
