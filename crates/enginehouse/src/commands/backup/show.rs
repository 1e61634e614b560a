use std::fs;
use std::path::Path;

use manager::backup::{About, Manifest, is_sealed};
use serde_json::json;

use crate::output::{self, Column, Table, bytes};

/// Prints what a backup holds.
pub(crate) fn print(file: &Path, manifest: &Manifest<About>, as_json: bool) -> anyhow::Result<()> {
    let (size, encrypted) = (fs::metadata(file)?.len(), is_sealed(file)?);
    let about = &manifest.about;
    if as_json {
        let mut value = serde_json::to_value(about)?;
        value["file"] = json!(file);
        value["bytes"] = size.into();
        value["encrypted"] = encrypted.into();
        return Ok(output::json(&value)?);
    }
    let sealed = if encrypted { "encrypted" } else { "NOT encrypted" };
    output::note(&format!("{}: {}, {sealed}, every checksum is right.", file.display(), bytes(size)));
    let revision = about.revision.map_or("no revision yet".to_owned(), |number| format!("revision {number}"));
    output::note(&format!("Made {} by Enginehouse {}, at {revision}.", about.made_at, about.version));
    Ok(output::table(&table(about))?)
}

fn table(about: &About) -> Table {
    let mut table = Table::new(&[Column::text("PART"), Column::text("OF"), Column::number("ROWS")]);
    for (part, database) in &about.databases {
        for (name, rows) in &database.tables {
            table.push(vec![part.to_string(), name.clone(), rows.to_string()]);
        }
    }
    for name in &about.files {
        table.push(vec!["file".to_owned(), name.clone()]);
    }
    if about.spool_files > 0 {
        table.push(vec!["spool".to_owned(), format!("{} files", about.spool_files)]);
    }
    table
}
