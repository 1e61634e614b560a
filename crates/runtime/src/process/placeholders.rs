use spec::placeholder::{Piece, Placeholder, pieces};

use crate::Listener;

/// What the placeholders of one replica stand for.
#[derive(Clone, Copy, Debug)]
pub struct Placeholders<'a> {
    /// `{source}`: the engine's source.
    pub source: &'a str,
    /// `{name}`: the model's public name.
    pub name: &'a str,
    /// `{port}` or `{socket}`, whichever it is.
    pub listener: &'a Listener,
    /// `{chat_template}`: the path of a file, where the engine has one.
    pub chat_template: Option<&'a str>,
}

/// A command cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubstituteError {
    /// A placeholder that does not exist.
    #[error(
        "`{argument}` holds the placeholder `{{{word}}}`, which there is not; there are {{source}}, {{name}}, {{port}}, {{socket}} and {{chat_template}}"
    )]
    Unknown {
        /// The argument that holds it.
        argument: String,
        /// The word between the braces.
        word: String,
    },
    /// A placeholder that has no value for this replica.
    #[error(
        "`{argument}` holds `{placeholder}`, but the engine was given {listener} to listen on; use one of {{port}} and {{socket}}"
    )]
    Unset {
        /// The argument that holds it.
        argument: String,
        /// The placeholder.
        placeholder: &'static str,
        /// Where it listens instead.
        listener: Listener,
    },
    /// There is no template.
    #[error(
        "`{argument}` holds `{{chat_template}}`, but the engine has no `chat_template`; give it one, or leave that out"
    )]
    NoTemplate {
        /// The argument that holds it.
        argument: String,
    },
    /// The path of the socket is not valid Unicode.
    #[error("the path of the socket, {listener}, is not valid Unicode")]
    NotUnicode {
        /// Where it should listen.
        listener: Listener,
    },
}

/// A command with its placeholders filled in. Each argument stays one argument, whatever is filled in.
///
/// ```
/// use runtime::{Listener, process::{Placeholders, substitute}};
///
/// let listener = Listener::Port(8001);
/// let values = Placeholders { source: "/models/tiny", name: "tiny", listener: &listener, chat_template: None };
/// let command = ["vllm", "serve", "{source}", "--port={port}"].map(str::to_owned);
/// assert_eq!(substitute(&command, &values).unwrap(), ["vllm", "serve", "/models/tiny", "--port=8001"]);
/// ```
pub fn substitute(command: &[String], values: &Placeholders<'_>) -> Result<Vec<String>, SubstituteError> {
    command.iter().map(|argument| fill(argument, values)).collect()
}

fn fill(argument: &str, values: &Placeholders<'_>) -> Result<String, SubstituteError> {
    let mut filled = String::with_capacity(argument.len());
    for piece in pieces(argument) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Placeholder(placeholder) => filled.push_str(&value(argument, placeholder, values)?),
            Piece::Unknown(word) => {
                return Err(SubstituteError::Unknown { argument: argument.to_owned(), word: word.to_owned() });
            }
        }
    }
    Ok(filled)
}

fn value(argument: &str, placeholder: Placeholder, values: &Placeholders<'_>) -> Result<String, SubstituteError> {
    let listener = values.listener;
    match (placeholder, listener) {
        (Placeholder::Source, _) => Ok(values.source.to_owned()),
        (Placeholder::Name, _) => Ok(values.name.to_owned()),
        (Placeholder::ChatTemplate, _) => {
            let path = values.chat_template.map(str::to_owned);
            path.ok_or_else(|| SubstituteError::NoTemplate { argument: argument.to_owned() })
        }
        (Placeholder::Port, Listener::Port(port)) => Ok(port.to_string()),
        (Placeholder::Socket, Listener::Socket(path)) => {
            let path = path.to_str().ok_or_else(|| SubstituteError::NotUnicode { listener: listener.clone() })?;
            Ok(path.to_owned())
        }
        (Placeholder::Port | Placeholder::Socket, _) => Err(SubstituteError::Unset {
            argument: argument.to_owned(),
            placeholder: placeholder.as_str(),
            listener: listener.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill_in(argument: &str, listener: &Listener) -> Result<String, String> {
        let values = Placeholders { source: "/m/{name} x", name: "tiny", listener, chat_template: Some("/t.jinja") };
        let filled = substitute(&[argument.to_owned()], &values).map_err(|error| error.to_string())?;
        Ok(filled.concat())
    }

    #[test]
    fn fills_in_once() {
        let port = Listener::Port(80);
        assert_eq!(fill_in("{source}", &port).unwrap(), "/m/{name} x", "a value is not filled in again");
        assert_eq!(fill_in("{name}:{port}/{name}", &port).unwrap(), "tiny:80/tiny");
        assert_eq!(fill_in("{chat_template}", &port).unwrap(), "/t.jinja");
        assert_eq!(fill_in(r#"{"a": {"port": 1}}"#, &port).unwrap(), r#"{"a": {"port": 1}}"#);
        assert_eq!(fill_in("--uds={socket}", &Listener::Socket("/r/s".into())).unwrap(), "--uds=/r/s");
    }

    #[test]
    fn says_what_cannot_be_filled_in() {
        let error = fill_in("--p={prot}", &Listener::Port(80)).unwrap_err();
        assert!(error.starts_with("`--p={prot}` holds the placeholder `{prot}`"), "{error}");
        let error = fill_in("{socket}", &Listener::Port(80)).unwrap_err();
        assert!(error.contains("`{socket}`, but the engine was given 127.0.0.1:80"), "{error}");
    }
}
