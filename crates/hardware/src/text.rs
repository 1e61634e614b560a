//! What drivers and programs print is shown to people: it must be short and act upon no terminal.

/// Characters that are kept of a name or a message.
const CHARS: usize = 200;

/// A text as it can be shown.
pub(crate) fn plain(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_harmless() {
        assert_eq!(plain(" NVIDIA\u{1b}[31mH100\n"), "NVIDIA [31mH100");
        assert_eq!(plain(&"x".repeat(9_999)).len(), CHARS);
    }
}
