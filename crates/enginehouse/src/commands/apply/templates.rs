use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;
use spec::{Document, Format};

use super::read_file;

/// The document with chat templates read in, as JSON; none where it names no file, or is none: the service says what is wrong
/// with it then, with lines as they are in the file.
pub(super) fn read_in(text: &str, format: &str, base: &Path) -> anyhow::Result<Option<String>> {
    let format = if format == "json" { Format::Json } else { Format::Yaml };
    let Ok(mut document) = spec::parse(text, format) else { return Ok(None) };
    document.absolutize(base);
    Ok(if read_into(&mut document)? { Some(spec::to_json(&document)?) } else { None })
}

/// Reads chat templates into a document whose paths are absolute; whether there was any.
pub(super) fn read_into(document: &mut Document) -> anyhow::Result<bool> {
    document.read_templates(|path| read_file(path).context("a chat template"))
}

/// The same for the data of a model.
pub(in crate::commands) fn read_into_item(data: &mut Value, base: &Path) -> anyhow::Result<()> {
    let deployments = data.get_mut("deployments").and_then(Value::as_array_mut).into_iter().flatten();
    for template in deployments.filter_map(|deployment| deployment.pointer_mut("/engine/chat_template")) {
        if let Some(path) = template.as_str().filter(|text| spec::is_template_path(text)) {
            *template = read_file(&base.join(path)).context("a chat template")?.into();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn templates_are_read_from_beside_the_document() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("t.jinja"), "{{ messages }}\n").unwrap();
        let text = "version: 1\nmodels: [{name: m, type: chat, deployments: [{engine: {source: s, chat_template: ./t.jinja}}]}]";
        let read = read_in(text, "yaml", folder.path()).unwrap().unwrap();
        assert!(read.contains(r#""chat_template": "{{ messages }}\n""#), "{read}");
        let error = read_in(&text.replace("t.jinja", "u.jinja"), "yaml", folder.path()).unwrap_err();
        assert!(format!("{error:#}").contains("u.jinja cannot be read"), "{error:#}");
        assert_eq!(read_in("version: 1", "yaml", folder.path()).unwrap(), None);
        assert_eq!(read_in("modles: 1", "yaml", folder.path()).unwrap(), None);
        let mut data = json!({"deployments": [{"engine": {"chat_template": "./t.jinja"}}, {"endpoint": {}}]});
        read_into_item(&mut data, folder.path()).unwrap();
        assert_eq!(data["deployments"][0]["engine"]["chat_template"], "{{ messages }}\n");
    }
}
