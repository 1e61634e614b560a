use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Columns are not cut below this many cells.
const MIN_WIDTH: usize = 8;
/// Between two columns.
const GAP: &str = "  ";

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    title: &'static str,
    right: bool,
}

/// Rows of text under titles.
///
/// Three rules are all that is needed (align, cut the widest, never wrap), which is why this is no crate.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

// === impl Column ===

impl Column {
    /// Text, aligned left.
    pub(crate) const fn text(title: &'static str) -> Self {
        Self { title, right: false }
    }

    /// A number, aligned right; never cut.
    pub(crate) const fn number(title: &'static str) -> Self {
        Self { title, right: true }
    }
}

// === impl Table ===

impl Table {
    /// Without rows yet.
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; missing cells stay empty, cells too many are left out.
    pub(crate) fn push(&mut self, mut cells: Vec<String>) {
        cells.resize(self.columns.len(), String::new());
        self.rows.push(cells.iter().map(|cell| super::plain(cell)).collect());
    }

    /// The table as text, cut to `width` cells if given. Cut cells end in `…`.
    pub(crate) fn render(&self, width: Option<usize>) -> String {
        let widths = self.widths(width);
        let titles: Vec<String> = self.columns.iter().map(|column| column.title.to_owned()).collect();
        let lines = std::iter::once(&titles).chain(&self.rows).map(|row| self.line(row, &widths));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells = row.iter().zip(&self.columns).zip(widths);
        let cells = cells.map(|((text, column), width)| {
            let text = cut(text, *width);
            let padding = " ".repeat(width.saturating_sub(text.width()));
            if column.right { padding + &text } else { text + &padding }
        });
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    }

    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let natural = |(index, column): (usize, &Column)| {
            let cells = self.rows.iter().map(|row| row[index].width());
            cells.max().unwrap_or(0).max(column.title.width())
        };
        let mut widths: Vec<usize> = self.columns.iter().enumerate().map(natural).collect();
        let Some(limit) = limit else { return widths };
        let gaps = GAP.len() * self.columns.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > limit {
            let texts = widths.iter_mut().zip(&self.columns).filter(|(_, column)| !column.right);
            match texts.map(|(width, _)| width).max() {
                Some(widest) if *widest > MIN_WIDTH => *widest -= 1,
                _ => break,
            }
        }
        widths
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(c);
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new(&[Column::text("NAME"), Column::text("URL"), Column::number("RPM")]);
        table.push(vec!["tiny".into(), "http://127.0.0.1:4000/v1/chat".into(), "60".into()]);
        table.push(vec!["größe\u{1b}[2J".into(), "-".into()]);
        table
    }

    #[test]
    fn a_pipe_gets_everything() {
        let text = sample().render(None);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "NAME       URL                            RPM");
        assert_eq!(lines[1], "tiny       http://127.0.0.1:4000/v1/chat   60");
        assert_eq!(lines[2], "größe [2J  -", "no escape sequence reaches the terminal");
    }

    #[test]
    fn a_terminal_gets_what_fits_and_numbers_stay_whole() {
        let text = sample().render(Some(30));
        assert!(text.lines().all(|line| line.width() <= 30), "{text}");
        assert!(text.contains("http://12"), "{text}");
        assert!(text.contains('…') && text.contains(" 60"), "{text}");
    }

    #[test]
    fn a_tiny_terminal_does_not_hang() {
        assert!(sample().render(Some(3)).contains("tiny"));
    }
}
