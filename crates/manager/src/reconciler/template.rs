use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use spec::Engine;

use crate::Home;
use crate::digest::sha256;

/// Files that are kept: more than engines start at once. Who runs has read its own.
const KEPT: usize = 256;
/// Whoever runs in a container may read it.
const MODE: u32 = 0o644;

/// Writes the chat template of an engine into a file of its own; its path, if there is a template.
pub(super) fn write(home: &Home, engine: &Engine) -> Result<Option<PathBuf>, String> {
    let Some(text) = &engine.chat_template else { return Ok(None) };
    let folder = home.templates();
    let path = folder.join(format!("{}.jinja", sha256(text.as_bytes())));
    let failed = |error: std::io::Error| format!("cannot write the chat template to {}: {error}", path.display());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    write_whole(&path, text).map_err(failed)?;
    prune(&folder).map_err(failed)?;
    Ok(Some(path))
}

/// Under another name first: nobody reads half of it.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let part = tempfile_beside(path);
    let mut file = std::fs::File::options().write(true).create(true).truncate(true).mode(MODE).open(&part)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(&part, path)
}

/// Replicas start at once, in tasks of their own.
fn tempfile_beside(path: &Path) -> PathBuf {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    path.with_extension(format!("part-{number}"))
}

/// Takes the oldest away.
fn prune(folder: &Path) -> std::io::Result<()> {
    let mut files: Vec<(SystemTime, PathBuf)> = std::fs::read_dir(folder)?
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    files.sort();
    for (_, path) in files.iter().rev().skip(KEPT) {
        // Somebody else may be faster.
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use spec::{Format, parse};

    use super::*;

    #[test]
    fn a_template_is_written_whole_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::create(folder.path()).unwrap();
        let engine = |text: &str| {
            let text = format!(
                "version: 1\nmodels: [{{name: m, type: chat, deployments: [{{engine: {{source: s, chat_template: '{text}'}}}}]}}]"
            );
            parse(&text, Format::Yaml).unwrap().models.remove(0).deployments.remove(0).engine.unwrap()
        };
        for number in 0..KEPT + 3 {
            let path = write(&home, &engine(&format!("{{{{ {number} }}}}"))).unwrap().unwrap();
            assert_eq!(std::fs::read_to_string(path).unwrap(), format!("{{{{ {number} }}}}"));
        }
        assert_eq!(std::fs::read_dir(home.templates()).unwrap().count(), KEPT);
        let mut without = engine("x");
        without.chat_template = None;
        assert_eq!(write(&home, &without), Ok(None));
    }
}
