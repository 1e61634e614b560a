use std::path::Path;

use crate::{Document, validate::template};

/// Whether a chat template is the path of a file, and no text.
pub fn is_template_path(text: &str) -> bool {
    template::is_path(text)
}

// === impl Document ===

impl Document {
    /// Puts the text of each chat template in place of its path, as `read` gives it; whether there was any. Paths are absolute
    /// by then ([`absolutize`](Self::absolutize)).
    ///
    /// A document is whole by itself only after that: whoever has the file reads it, so that nobody can have one read that is not
    /// theirs.
    pub fn read_templates<E>(&mut self, mut read: impl FnMut(&Path) -> Result<String, E>) -> Result<bool, E> {
        let engines = self.models.iter_mut().flat_map(|model| &mut model.deployments).filter_map(|d| d.engine.as_mut());
        let mut any = false;
        for template in
            engines.filter_map(|engine| engine.chat_template.as_mut()).filter(|text| template::is_path(text))
        {
            *template = read(Path::new(template))?;
            any = true;
        }
        Ok(any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, parse};

    #[test]
    fn paths_become_what_the_files_hold() {
        let text = "version: 1\nmodels: [{name: m, type: chat, deployments: [\
            {engine: {source: s, chat_template: ./t.jinja}}, {engine: {source: s, chat_template: \"{{ x }}\"}}, {engine: {source: s}}]}]";
        let mut document = parse(text, Format::Yaml).unwrap();
        document.absolutize(Path::new("/srv/models.d"));
        let read = document.read_templates(|path| Ok::<_, String>(format!("{{# {} #}}", path.display())));
        assert_eq!(read, Ok(true));
        let templates: Vec<_> =
            document.models[0].deployments.iter().map(|d| d.engine.as_ref().unwrap().chat_template.clone()).collect();
        assert_eq!(templates, [Some("{# /srv/models.d/t.jinja #}".to_owned()), Some("{{ x }}".to_owned()), None]);
        assert_eq!(document.read_templates(|_| Err("read again")), Ok(false));
    }
}
