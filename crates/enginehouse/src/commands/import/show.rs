use import::{Finding, Imported, Verdict};

use super::stage::Outcome;
use crate::output::{Column, Table};

/// The report, in the order of what it is about.
pub(super) fn table(report: &[Finding]) -> Table {
    let mut table = Table::new(&[Column::text("WHAT"), Column::text("FIELD"), Column::text("IS"), Column::text("WHY")]);
    for Finding { subject, field, verdict, note } in report {
        table.push(vec![subject.clone(), field.clone(), verdict.as_str().to_owned(), note.clone()]);
    }
    table
}

/// What became of it, and what to do next.
pub(super) fn summary(imported: &Imported, outcome: &Outcome, dry_run: bool) -> String {
    let left_out = imported.report.iter().filter(|finding| finding.verdict == Verdict::LeftOut).count();
    if dry_run {
        let (models, keys) = (imported.models.len(), imported.keys.len());
        return format!("Would stage {models} models and make {keys} keys; {left_out} things are left out.");
    }
    let (models, keys) = (outcome.staged.len(), outcome.keys.len());
    format!(
        "Staged {models} models and made {keys} keys; {left_out} things are left out. Look at it with `enginehouse config \
         plan`, then `enginehouse config apply --all`."
    )
}
