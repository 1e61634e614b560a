/// Characters shown on either side of the marked one.
const AROUND: usize = 60;

/// The line with a mark below the character; only a stretch of it if it is long. Line and column count from 1.
pub(super) fn snippet(text: &str, line: u64, column: u64) -> String {
    let index = |number: u64| usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
    let shown = text.lines().nth(index(line)).unwrap_or_default();
    let start = index(column).saturating_sub(AROUND);
    let stretch: String = shown.chars().skip(start).take(2 * AROUND).map(printable).collect();
    let mark = index(column).min(shown.chars().count()) - start.min(shown.chars().count());
    let number = line.to_string();
    let (gutter, mark) = (" ".repeat(number.len()), " ".repeat(mark));
    format!("{number} | {stretch}\n{gutter} | {mark}^")
}

/// Control characters would act on the terminal.
pub(super) fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}
