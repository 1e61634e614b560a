use std::fmt;
use std::str::FromStr;

/// Longest word of a name.
const MAX_WORD: usize = 64;

/// What a part is.
///
/// Words in it are plain (`a-z`, `0-9`, `.`, `_`, `-`, no `.` in front): as the name of a file, none leads out of a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// `files/<name>`: a file of the home.
    File(String),
    /// `spool/<gateway>/<name>`: a file of a gateway's books.
    Spool(String, String),
    /// `<database>/<table>/<number>`: some rows of a table.
    Rows {
        /// Which database.
        database: String,
        /// Which table.
        table: String,
        /// Counts the parts of one table from 0.
        number: u32,
    },
}

/// Not the name of a part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a part called {0:?}")]
pub struct UnfitName(pub(crate) String);

// === impl Name ===

impl Name {
    /// `files/<name>`.
    pub fn file(name: &str) -> Result<Self, UnfitName> {
        format!("files/{name}").parse()
    }

    /// `spool/<gateway>/<name>`.
    pub fn spool(gateway: &str, name: &str) -> Result<Self, UnfitName> {
        format!("spool/{gateway}/{name}").parse()
    }

    /// `<database>/<table>/<number>`.
    pub fn rows(database: &str, table: &str, number: u32) -> Result<Self, UnfitName> {
        format!("db/{database}/{table}/{number}").parse()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name) => write!(f, "files/{name}"),
            Self::Spool(gateway, name) => write!(f, "spool/{gateway}/{name}"),
            Self::Rows { database, table, number } => write!(f, "db/{database}/{table}/{number}"),
        }
    }
}

impl FromStr for Name {
    type Err = UnfitName;

    fn from_str(text: &str) -> Result<Self, UnfitName> {
        let words: Vec<_> = text.split('/').collect();
        let unfit = || UnfitName(text.chars().take(200).collect());
        if !words.iter().all(|word| is_plain(word)) {
            return Err(unfit());
        }
        match words[..] {
            ["files", name] => Ok(Self::File(name.to_owned())),
            ["spool", gateway, name] => Ok(Self::Spool(gateway.to_owned(), name.to_owned())),
            ["db", database, table, number] => {
                let number: u32 = number.parse().map_err(|_| unfit())?;
                Ok(Self::Rows { database: database.to_owned(), table: table.to_owned(), number })
            }
            _ => Err(unfit()),
        }
    }
}

fn is_plain(word: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    (1..=MAX_WORD).contains(&word.len()) && !word.starts_with('.') && word.bytes().all(is_fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["files/secret.key", "spool/gateway/segment-003", "db/ledger/spend_by_key/12"] {
            assert_eq!(text.parse::<Name>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nothing_leads_out_of_a_folder() {
        let hostile = [
            "../etc/passwd",
            "files/..",
            "files/../x",
            "/files/x",
            "files//x",
            "files/.ssh",
            "files/a/b",
            "files",
            "",
            "spool/../x",
            "spool/a/..",
            "db/main/keys/x",
            "db/main/../1",
            "db/main/keys/-1",
            "files/a\0b",
            "files/a\\b",
            "files/A",
            "other/x",
            "db/main/keys/4294967296",
        ];
        for text in hostile {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
        }
        assert!(format!("files/{}", "a".repeat(65)).parse::<Name>().is_err());
    }
}
