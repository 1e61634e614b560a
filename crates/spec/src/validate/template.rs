//! Chat templates, checked by an implementation of Jinja before any engine gets them.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, ErrorKind, Value, context};

use crate::placeholder::{Placeholder, holds};
use crate::{Engine, Runtime, fault::Scope, limits};

/// Steps that rendering a sample may take: far more than any template needs, and a bound to a loop without end.
const FUEL: u64 = 2_000_000;
/// Calls within calls.
const DEPTH: usize = 64;
/// Characters of a message of a template that are repeated.
const MESSAGE: usize = 300;
/// What `raise_exception` says in front, so that a template that refuses is told from one that is broken.
const RAISED: &str = "the template refuses: ";

/// The template of an engine, and whether the engine gets it.
pub(super) fn check(here: &mut Scope<'_>, engine: &Engine) {
    let asked = [&engine.command, &engine.args].iter().any(|words| holds(words, Placeholder::ChatTemplate));
    let Some(text) = &engine.chat_template else {
        if asked {
            here.field("chat_template").fault("the command holds `{chat_template}`, but there is none; give one");
        }
        return;
    };
    let mut here = here.field("chat_template");
    check_text(&mut here, text);
    let is_given = engine.runtime == Runtime::Docker && engine.command.is_empty();
    if is_given && engine.args.iter().any(|word| word.split('=').next() == Some("--chat-template")) {
        here.fault("chat_template is set, and args hold `--chat-template` too; keep one of them");
    }
    if !is_given && !asked {
        here.fault(
            "chat_template is set, but the command does not take it; write `--chat-template {chat_template}` into `command`",
        );
    }
}

/// The text of a template; a path is none.
fn check_text(here: &mut Scope<'_>, text: &str) {
    if is_path(text) {
        return here.fault(format!(
            "chat_template is a path ({text:?}); here the text itself is needed: `enginehouse apply -f` and `config stage -f` read the file and send that"
        ));
    }
    if text.trim().is_empty() {
        return here.fault("chat_template is empty; give the text of a Jinja template, or leave it out");
    }
    if text.len() > limits::TEMPLATE_BYTES {
        let (bytes, most) = (text.len(), limits::TEMPLATE_BYTES);
        return here.fault(format!("chat_template has {bytes} bytes; at most {most} are taken"));
    }
    if let Err(fault) = try_out(text) {
        here.fault(format!("chat_template {fault}"));
    }
}

/// Whether it names a file: a template never begins like that.
pub(crate) fn is_path(text: &str) -> bool {
    ["/", "./", "../"].iter().any(|start| text.starts_with(start)) && !text.contains(['\n', '{'])
}

/// Reads the template and renders it for conversations as clients send them. It is good if it takes one of them.
fn try_out(text: &str) -> Result<(), String> {
    let text = without_generation(text);
    let environment = environment();
    let template = environment.template_from_str(&text).map_err(|error| format!("cannot be read: {}", said(&error)))?;
    let mut first = None;
    for messages in conversations() {
        let tried = template.render(context! {
            messages => Value::from(Serde(messages)),
            add_generation_prompt => true,
            bos_token => "<s>",
            eos_token => "</s>",
            unk_token => "<unk>",
            pad_token => "<pad>",
            tools => Value::from(()),
            documents => Value::from(()),
        });
        match tried {
            Ok(_) => return Ok(()),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    match first {
        Some(error) => Err(format!("was tried with a sample conversation, and fails: {}", said(&error))),
        None => Ok(()),
    }
}

/// As `transformers` sets Jinja up for chat templates.
fn environment<'a>() -> Environment<'a> {
    let mut environment = Environment::new();
    // The usual delimiters are never refused.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, format!("{RAISED}{message}")))
    });
    // No clock: what day it is makes no difference to whether a template is right.
    environment.add_function("strftime_now", |_format: String| "2026-01-01".to_owned());
    environment.add_filter("tojson", |value: Value, _options: Kwargs| -> Result<Value, Error> {
        let text = serde_json::to_string(&value);
        let text = text.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
        Ok(Value::from_safe_string(text))
    });
    environment
}

/// What clients begin with, from plain to rich: some templates know no system message, some want parts.
fn conversations() -> [serde_json::Value; 4] {
    let said = |role: &str, content: serde_json::Value| serde_json::json!({ "role": role, "content": content });
    let user = || said("user", "Hello".into());
    let parts = serde_json::json!([{ "type": "text", "text": "Hello" }]);
    [
        serde_json::json!([said("system", "Be kind.".into()), user(), said("assistant", "Hi".into()), user()]),
        serde_json::json!([user()]),
        serde_json::json!([user(), said("assistant", "Hi".into()), user()]),
        serde_json::json!([said("user", parts)]),
    ]
}

/// Where, and what.
fn said(error: &Error) -> String {
    let what: String = match error.detail() {
        Some(detail) if detail.starts_with(RAISED) => detail.chars().take(MESSAGE).collect(),
        Some(detail) => format!("{}: {detail}", error.kind()).chars().take(MESSAGE).collect(),
        None => error.kind().to_string(),
    };
    error.line().map_or(what.clone(), |line| format!("line {line}: {what}"))
}

/// The block `generation` is an extension of `transformers`, for training; what is in it stands.
fn without_generation(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find("{%") {
        let (before, tag) = rest.split_at(open);
        let end = tag.find("%}").map_or(tag.len(), |end| end + 2);
        let (tag, after) = tag.split_at(end);
        plain.push_str(before);
        let word = tag.trim_start_matches("{%").trim_end_matches("%}").trim_matches(['-', '+']).trim();
        match word {
            "generation" => plain.push_str(&tag.replacen("generation", "if true", 1)),
            "endgeneration" => plain.push_str(&tag.replacen("endgeneration", "endif", 1)),
            _ => plain.push_str(tag),
        }
        rest = after;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the ways of the templates that come with models: a namespace, a macro, tools, a date, methods of Python.
    const RICH: &str = r#"{%- set ns = namespace(seen=false, multi_step=true) %}
{%- macro shown(text) -%}{{ text | trim }}{%- endmacro %}
{{- bos_token }}{{ strftime_now("%d %b %Y") }}
{%- if tools is not none and tools %}{{ tools | tojson(indent=4) }}{% endif %}
{%- for message in messages[::-1] %}
    {%- if message.role == "user" and not ns.seen %}{% set ns.seen = true %}{% endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message["role"] not in ["system", "user", "assistant", "tool"] %}{{ raise_exception("unknown role") }}{% endif %}
    {%- if loop.first and message.role == "system" %}{% continue %}{% endif %}
    {%- if message.content is string %}{% set text = message.content %}{% else %}{% set text = message.content[0].text %}{% endif %}
    {%- if message.role == "assistant" %}
        {%- generation %}{{ text.split("</think>")[-1].lstrip("\n") }}{{ eos_token }}{%- endgeneration %}
    {%- elif text.startswith("<tool>") and text.strip().upper() in {"A": 1}.keys() | list %}
    {%- else %}
{{ "<|" ~ message.role ~ "|>" + shown(text) }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt is defined and add_generation_prompt %}{{ "<|assistant|>" }}{% endif %}"#;

    #[test]
    fn templates_as_models_bring_them_are_good() {
        assert_eq!(try_out(RICH), Ok(()));
        let strict = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}ok";
        assert_eq!(try_out(strict), Ok(()), "it takes other conversations");
        let parts = "{% for part in messages[0]['content'] %}{{ part['text'].strip() }}{% endfor %}";
        assert_eq!(try_out(parts), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, words) in [
            ("one\n{% if x %}\n", "cannot be read: line"),
            ("one\n{{ messages[0 }}", "cannot be read: line 2: syntax error"),
            ("one\n\n{% fro x in y %}{% endfor %}", "line 3: syntax error"),
            ("one\n{{ messages | no_such_filter }}", "line 2: unknown filter"),
            ("one\n{{ no_such_function() }}", "fails: line 2: unknown function"),
            ("{{ raise_exception('never') }}", "fails: line 1: the template refuses: never"),
            ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "fails: "),
            ("{{ messages[0].nobody.there }}", "fails: line 1: undefined value"),
        ] {
            let fault = try_out(text).unwrap_err();
            assert!(fault.contains(words), "{text}: {fault}");
        }
    }

    #[test]
    fn a_path_is_no_template() {
        for path in ["./t.jinja", "../t.jinja", "/etc/t.jinja"] {
            assert!(is_path(path), "{path}");
        }
        for text in ["{{ x }}", "/{{ x }}", "t.jinja", "./a\nb"] {
            assert!(!is_path(text), "{text}");
        }
    }
}
