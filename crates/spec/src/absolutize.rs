use std::path::{Component, Path, PathBuf};

use crate::{Document, Engine, validate::template};

// === impl Document ===

impl Document {
    /// Makes relative paths absolute against the folder `base` (that of the file the document came from), so that
    /// the document means the same wherever it is read.
    ///
    /// Relative paths are an engine's `source` and the words of its `command` and `args` that begin with `./` or `../`,
    /// a `chat_template` that is a path, and the first word of a `command` that holds a `/` (one without is looked up in `PATH`). References to the
    /// environment and placeholders stay.
    pub fn absolutize(&mut self, base: &Path) {
        let engines = self.models.iter_mut().flat_map(|model| &mut model.deployments).filter_map(|d| d.engine.as_mut());
        engines.for_each(|engine| absolutize(engine, base));
    }
}

fn absolutize(engine: &mut Engine, base: &Path) {
    if is_relative_folder(&engine.source) {
        engine.source = join(base, &engine.source);
    }
    if let Some(program) = engine.command.first_mut()
        && is_relative_program(program)
    {
        *program = join(base, program);
    }
    if let Some(template) = &mut engine.chat_template
        && template::is_path(template)
    {
        *template = join(base, template);
    }
    let words = engine.command.iter_mut().chain(&mut engine.args);
    words.filter(|word| word.starts_with("./") || word.starts_with("../")).for_each(|word| *word = join(base, word));
}

fn is_relative_folder(source: &str) -> bool {
    matches!(Path::new(source).components().next(), Some(Component::CurDir | Component::ParentDir))
}

fn is_relative_program(program: &str) -> bool {
    // A placeholder or a reference in front is filled in later and absolute by then.
    let filled_in = program.starts_with('{') || crate::environment_variable(program).is_some();
    program.contains('/') && !program.starts_with('/') && !filled_in
}

/// `..` stays: a folder may be a symbolic link, and then its parent is not what stands in front of it.
fn join(base: &Path, relative: &str) -> String {
    let path: PathBuf = base.join(relative).components().collect();
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, parse};

    fn absolutized(source: &str, program: &str) -> (String, String) {
        let text = format!(
            "version: 1\nmodels:\n  - name: m\n    type: chat\n    deployments:\n      - engine: {{ source: '{source}', command: ['{program}'] }}"
        );
        let mut document = parse(&text, Format::Yaml).unwrap();
        document.absolutize(Path::new("/srv/models.d"));
        let engine = document.models.remove(0).deployments.remove(0).engine.unwrap();
        (engine.source, engine.command.into_iter().next().unwrap())
    }

    #[test]
    fn relative_paths_stand_against_the_file() {
        let (source, program) = absolutized("./tiny", "bin/serve");
        assert_eq!((source.as_str(), program.as_str()), ("/srv/models.d/tiny", "/srv/models.d/bin/serve"));
        let (source, program) = absolutized("../tiny/", "./serve");
        assert_eq!((source.as_str(), program.as_str()), ("/srv/models.d/../tiny", "/srv/models.d/serve"));
    }

    #[test]
    fn words_that_begin_as_relative_paths_stand_against_the_file() {
        let text = "version: 1\nmodels: [{name: m, type: chat, deployments: [{engine: {source: s, \
                    command: [python, ./serve.py, '--x=./y', /abs], args: [--template, '../t/{name}.jinja', a/b, .]}}]}]";
        let mut document = parse(text, Format::Yaml).unwrap();
        for _ in 0..2 {
            document.absolutize(Path::new("/srv/models.d"));
            let engine = document.models[0].deployments[0].engine.as_ref().unwrap();
            assert_eq!(engine.command, ["python", "/srv/models.d/serve.py", "--x=./y", "/abs"]);
            assert_eq!(engine.args, ["--template", "/srv/models.d/../t/{name}.jinja", "a/b", "."]);
        }
    }

    #[test]
    fn everything_else_stays() {
        for (source, program) in [
            ("Qwen/Qwen3-8B", "vllm"),
            ("/srv/tiny", "/usr/bin/vllm"),
            (".hidden/x", "{source}/run"),
            ("os.environ/SOURCE", "os.environ/PROGRAM"),
        ] {
            assert_eq!(absolutized(source, program), (source.to_owned(), program.to_owned()));
        }
    }
}
