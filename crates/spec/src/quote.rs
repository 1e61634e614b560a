use std::fmt::{self, Write as _};

/// Characters of a value that a message repeats.
const SHOWN_CHARS: usize = 80;

/// A value of the document as messages show it: in backticks, without control characters, cut where it is long.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

// === impl Quoted ===

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('`')?;
        let mut chars = self.0.chars();
        for c in chars.by_ref().take(SHOWN_CHARS) {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { f.write_char(c)? }
        }
        f.write_str(if chars.next().is_some() { "…`" } else { "`" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_cuts() {
        assert_eq!(Quoted("a\nb\u{1b}").to_string(), r"`a\nb\u{1b}`");
        assert_eq!(Quoted(&"é".repeat(81)).to_string(), format!("`{}…`", "é".repeat(80)));
    }
}
