//! Placeholders in the command of a process engine: `{source}`, `{name}`, `{port}`, `{socket}`,
//! `{chat_template}`.
//!
//! A placeholder is a word of lower-case letters and `_` right between braces. All else stays as it is, so
//! that JSON in an argument (`{"a": 1}`) needs no escapes.

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placeholder {
    /// The engine's `source`.
    Source,
    /// The model's public name.
    Name,
    /// A free TCP port on loopback.
    Port,
    /// The path of a Unix socket that does not exist yet.
    Socket,
    /// The path of a file with the engine's `chat_template`.
    ChatTemplate,
}

/// A stretch of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Stays as it is.
    Text(&'a str),
    /// Is filled in.
    Placeholder(Placeholder),
    /// Looks like a placeholder and is none: the word between the braces.
    Unknown(&'a str),
}

// === impl Placeholder ===

impl Placeholder {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Source, Self::Name, Self::Port, Self::Socket, Self::ChatTemplate];

    /// As it stands in a command, with its braces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "{source}",
            Self::Name => "{name}",
            Self::Port => "{port}",
            Self::Socket => "{socket}",
            Self::ChatTemplate => "{chat_template}",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| &p.as_str()[1..p.as_str().len() - 1] == word)
    }
}

/// Cuts an argument into its pieces, in order.
pub fn pieces(argument: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut text_start, mut from) = (0, 0);
    while let Some(open) = argument[from..].find('{').map(|at| from + at) {
        from = open + 1;
        let Some(word) = word_in_braces(&argument[from..]) else { continue };
        if text_start < open {
            pieces.push(Piece::Text(&argument[text_start..open]));
        }
        pieces.push(Placeholder::from_word(word).map_or(Piece::Unknown(word), Piece::Placeholder));
        from += word.len() + 1;
        text_start = from;
    }
    if text_start < argument.len() {
        pieces.push(Piece::Text(&argument[text_start..]));
    }
    pieces
}

/// Whether any argument of a command holds the placeholder.
pub fn holds(command: &[String], placeholder: Placeholder) -> bool {
    command.iter().any(|argument| argument.contains(placeholder.as_str()))
}

/// The word up to the closing brace, if `rest` (what follows an opening brace) begins with one.
fn word_in_braces(rest: &str) -> Option<&str> {
    let end = rest.bytes().position(|b| !b.is_ascii_lowercase() && b != b'_')?;
    (end > 0 && rest[end..].starts_with('}')).then(|| &rest[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Piece::{Placeholder, Text, Unknown};
    use super::{Placeholder as P, pieces};

    #[test]
    fn finds_placeholders_among_text() {
        assert_eq!(pieces("{port}"), [Placeholder(P::Port)]);
        assert_eq!(
            pieces("http://x:{port}/{name}"),
            [Text("http://x:"), Placeholder(P::Port), Text("/"), Placeholder(P::Name)]
        );
        assert_eq!(pieces("a{prot}b"), [Text("a"), Unknown("prot"), Text("b")]);
        assert_eq!(pieces(""), []);
    }

    #[test]
    fn json_shell_and_stray_braces_are_text() {
        for text in [r#"{"port": 1}"#, "{}", "{", "}", "{a,b}", "{ port }", "{PORT}", "{port", "${HOME}"] {
            assert_eq!(pieces(text), [Text(text)], "{text}");
        }
        assert_eq!(pieces(r#"{"x":{port}}"#), [Text(r#"{"x":"#), Placeholder(P::Port), Text("}")]);
        assert_eq!(pieces("{{port}}"), [Text("{"), Placeholder(P::Port), Text("}")]);
    }

    proptest! {
        #[test]
        fn pieces_add_up_to_the_argument(argument in "[{}a-z\"é ]{0,40}") {
            let joined: String = pieces(&argument)
                .into_iter()
                .map(|piece| match piece {
                    Text(text) => text.to_owned(),
                    Placeholder(placeholder) => placeholder.as_str().to_owned(),
                    Unknown(word) => format!("{{{word}}}"),
                })
                .collect();
            prop_assert_eq!(joined, argument);
        }
    }
}
