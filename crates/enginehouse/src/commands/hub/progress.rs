use hub::Progress;

use crate::output;

/// Cells of the bar itself.
const CELLS: u64 = 24;
/// Percent between two lines where nobody watches.
const STEP: u64 = 10;

/// Shows how far a pull is: one line redrawn in a terminal, else a line every tenth.
#[derive(Debug)]
pub(super) struct Bar {
    redraw: bool,
    /// The step that was shown last.
    step: Option<u64>,
    drawn: bool,
}

// === impl Bar ===

impl Bar {
    pub(super) fn new() -> Self {
        Self { redraw: output::is_watched(), step: None, drawn: false }
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        if progress.files == 0 {
            return;
        }
        if self.redraw {
            let line: String = line(progress, true).chars().take(output::note_width()).collect();
            output::raw_note(&format!("\r\x1b[K{line}"));
            self.drawn = true;
        } else if self.is_due(progress) {
            output::note(&line(progress, false));
        }
    }

    /// The line stays, and what follows begins below it.
    pub(super) fn end(&mut self) {
        if self.drawn {
            output::raw_note("\n");
            self.drawn = false;
        }
    }

    fn is_due(&mut self, progress: &Progress) -> bool {
        let step = percent(progress) / STEP;
        let is_due = self.step.is_none_or(|shown| shown < step);
        self.step = Some(step);
        is_due
    }
}

fn percent(progress: &Progress) -> u64 {
    progress.bytes_done.min(progress.bytes).saturating_mul(100).checked_div(progress.bytes).unwrap_or(100)
}

fn line(progress: &Progress, with_bar: bool) -> String {
    let Progress { files, files_done, bytes, bytes_done, bytes_per_second, seconds_left, .. } = progress;
    let percent = percent(progress);
    let mut parts = vec![
        format!("{percent:3}%"),
        format!("{} of {}", output::bytes(*bytes_done), output::bytes(*bytes)),
        format!("{files_done} of {files} files"),
    ];
    if *bytes_per_second > 0 {
        parts.push(format!("{}/s", output::bytes(*bytes_per_second)));
    }
    if let Some(left) = seconds_left.filter(|left| *left > 0) {
        parts.push(format!("{} left", clock(left)));
    }
    let line = parts.join("  ");
    if !with_bar {
        return line.trim_start().to_owned();
    }
    let full = usize::try_from(percent * CELLS / 100).unwrap_or(0);
    format!("[{:<width$}] {line}", "#".repeat(full), width = usize::try_from(CELLS).unwrap_or(0))
}

/// As `1:02:03`, or `2:03`.
fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(bytes_done: u64) -> Progress {
        Progress {
            files: 5,
            files_done: 2,
            bytes: 1_000,
            bytes_done,
            bytes_per_second: 2_048,
            seconds_left: Some(63),
            fetching: Vec::new(),
        }
    }

    #[test]
    fn a_line_says_all_of_it() {
        assert_eq!(line(&at(434), false), "43%  434 B of 1000 B  2 of 5 files  2.0 KiB/s  1:03 left");
        assert!(line(&at(500), true).starts_with("[############            ]  50%"));
        assert_eq!(clock(3_723), "1:02:03");
    }

    #[test]
    fn where_nobody_watches_there_is_a_line_a_tenth() {
        let mut bar = Bar { redraw: false, step: None, drawn: false };
        let due: Vec<_> = (0..=100).filter(|percent| bar.is_due(&at(percent * 10))).collect();
        assert_eq!(due, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    }
}
