use crate::is_secret_name;

/// Characters shown on either side of the marked one.
const AROUND: usize = 60;

/// Lines above the marked one in which a text over several lines may have begun that is a secret.
const ABOVE: usize = 200;
/// What is shown in place of a line that may hold a secret.
const HIDDEN: &str = "(not shown: it may hold a secret)";

/// The line with a mark below the character; only a stretch of it if it is long. Line and column count from 1.
pub(super) fn snippet(text: &str, line: u64, column: u64) -> String {
    let index = |number: u64| usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
    if may_hold_secret(text, index(line)) {
        return format!("{line} | {HIDDEN}");
    }
    let shown = text.lines().nth(index(line)).unwrap_or_default();
    let start = index(column).saturating_sub(AROUND);
    let stretch: String = shown.chars().skip(start).take(2 * AROUND).map(printable).collect();
    let mark = index(column).min(shown.chars().count()) - start.min(shown.chars().count());
    let number = line.to_string();
    let (gutter, mark) = (" ".repeat(number.len()), " ".repeat(mark));
    format!("{number} | {stretch}\n{gutter} | {mark}^")
}

/// Whether the line gives a value to a name that secrets have, or belongs to a text that such a line above begins.
fn may_hold_secret(text: &str, line: usize) -> bool {
    let lines: Vec<&str> = text.lines().take(line.saturating_add(1)).skip(line.saturating_sub(ABOVE)).collect();
    let Some((own, above)) = lines.split_last() else { return false };
    // The dash of a list is not where what it holds begins.
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t', '-']).len();
    let mut least = indent(own);
    if names_secret(own) {
        return true;
    }
    for line in above.iter().rev().filter(|line| !line.trim().is_empty()) {
        if indent(line) < least || line.trim_end().ends_with(':') {
            least = least.min(indent(line));
            // What stands deeper than a secret's name belongs to it.
            if names_secret(line) {
                return true;
            }
        }
    }
    false
}

/// Whether a name that secrets have stands in front of a colon.
fn names_secret(line: &str) -> bool {
    let parts = line.split(':');
    let before = line.matches(':').count();
    let word = |part: &str| {
        let part = part.trim_end_matches(['"', '\'', ' ', '\t']);
        let start = part.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).map_or(0, |at| at + 1);
        is_secret_name(&part.get(start..).unwrap_or_default().replace('-', "_"))
    };
    parts.take(before).any(word)
}

/// Control characters would act on the terminal.
pub(super) fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_may_hold_a_secret_are_not_shown() {
        let hidden = |text: &str, line| snippet(text, line, 3).contains(HIDDEN);
        assert!(hidden("a: 1\n  secret: sk-1 x: y", 2));
        assert!(hidden(r#"{"credentials":[{"name":"a","secret":"sk-1","x":1}]}"#, 1));
        assert!(hidden("- name: a\n  secret: |\n    line: 1\n\n      line 2\n", 5));
        assert!(hidden("env:\n  HF_TOKEN: >\n   abc", 3));
        assert!(hidden("{\"secret\":\n\"sk-1\" x}", 2));
        assert!(hidden("credentials:\n  - name: a\n    secert: sk-1", 3), "misspelt");
        assert!(hidden("credentials:\n- name: a\n  secert: sk-1", 3), "misspelt");
        assert!(!hidden("- secret: x\n  name: y", 2), "beside it");
        assert!(!hidden("models:\n  - name: a\n    tpye: chat", 3));
        assert!(!hidden("max_tokens: 1", 1));
    }
}
