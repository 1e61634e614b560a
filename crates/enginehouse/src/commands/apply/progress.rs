use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::follow::ModelState;
use crate::output;

/// Shows the models' states: redrawn in place on a terminal, else a line for each change.
#[derive(Debug)]
pub(super) struct Progress {
    redraw: bool,
    lines_drawn: usize,
    /// What was shown last, per model.
    shown: BTreeMap<String, String>,
}

// === impl Progress ===

impl Progress {
    pub(super) fn new() -> Self {
        Self { redraw: output::is_watched(), lines_drawn: 0, shown: BTreeMap::new() }
    }

    /// Shows what changed since the last call.
    pub(super) fn show(&mut self, models: &[ModelState]) {
        let changed = self.take_changes(models);
        if changed.is_empty() {
            return;
        }
        if self.redraw {
            output::raw_note(&self.frame());
            self.lines_drawn = self.shown.len();
        } else {
            for line in &changed {
                output::note(line);
            }
        }
    }

    fn take_changes(&mut self, models: &[ModelState]) -> Vec<String> {
        let mut changed = Vec::new();
        for model in models {
            let line = line(model);
            let is_new = self.shown.get(&model.name).is_none_or(|shown| self.redraw || differs(shown, &line));
            if is_new && self.shown.get(&model.name) != Some(&line) {
                changed.push(line.clone());
                self.shown.insert(model.name.clone(), line);
            }
        }
        changed
    }

    /// Back to the first line drawn before, clear to the end of the screen, draw again.
    fn frame(&self) -> String {
        let mut frame = if self.lines_drawn > 0 { format!("\x1b[{}A\x1b[J", self.lines_drawn) } else { String::new() };
        for line in self.shown.values() {
            // A line that wraps would throw off the count of lines to go back.
            let line: String = line.chars().take(output::note_width()).collect();
            let _ = writeln!(frame, "{line}");
        }
        frame
    }
}

/// Whether more than running numbers do: where nobody watches, these would fill the page.
fn differs(one: &str, other: &str) -> bool {
    let without_numbers = |line: &str| line.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let is_running = |line: &str| line.contains("MiB") || line.contains('%');
    !(is_running(one) && is_running(other) && without_numbers(one) == without_numbers(other))
}

fn line(model: &ModelState) -> String {
    let message = model.message.as_deref().filter(|text| !text.is_empty()).map(|text| format!(": {text}"));
    let ModelState { name, state, ready, replicas, .. } = model;
    output::plain(&format!("{name}  {state} {ready}/{replicas}{}", message.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, state: &str) -> ModelState {
        ModelState { name: name.to_owned(), state: state.to_owned(), ready: 0, replicas: 1, message: None }
    }

    #[test]
    fn only_changes_are_shown() {
        let mut progress = Progress { redraw: false, lines_drawn: 0, shown: BTreeMap::new() };
        assert_eq!(progress.take_changes(&[model("a", "starting"), model("b", "starting")]).len(), 2);
        assert!(progress.take_changes(&[model("a", "starting"), model("b", "starting")]).is_empty());
        assert_eq!(progress.take_changes(&[model("a", "ready"), model("b", "starting")]), ["a  ready 0/1"]);
    }

    #[test]
    fn running_numbers_are_told_once_where_nobody_watches() {
        assert!(!differs("a  downloading 0/1: m: 5 of 90 MiB", "a  downloading 0/1: m: 17 of 90 MiB"));
        assert!(differs("a  downloading 0/1: m: 5 of 90 MiB", "a  starting 0/1"));
        assert!(differs("a  starting 0/2", "a  starting 1/2"));
    }

    #[test]
    fn a_frame_goes_back_over_what_was_drawn() {
        let shown = BTreeMap::from([("a".to_owned(), "a  ready 1/1".to_owned())]);
        let progress = Progress { redraw: true, lines_drawn: 2, shown };
        assert_eq!(progress.frame(), "\x1b[2A\x1b[Ja  ready 1/1\n");
    }
}
