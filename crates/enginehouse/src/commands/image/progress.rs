use serde::Deserialize;

use crate::output;

/// Percent between two lines where nobody watches.
const STEP: u64 = 10;

/// How far a task is, as the admin API says it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Progress {
    phase: String,
    percent: u64,
    image: Option<String>,
    layers: u64,
    layers_done: u64,
    bytes: u64,
    bytes_done: u64,
    bytes_per_second: u64,
    steps: u32,
    step: u32,
    what: Option<String>,
    line: Option<String>,
}

/// Shows how far a task is: one line redrawn in a terminal, else a line at every step of a build, and at every tenth of a
/// pull.
#[derive(Debug)]
pub(super) struct Bar {
    redraw: bool,
    /// What was shown last: the phase, and how far it was.
    shown: Option<(String, u64)>,
    drawn: bool,
}

// === impl Bar ===

impl Bar {
    pub(super) fn new() -> Self {
        Self { redraw: output::is_watched(), shown: None, drawn: false }
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        if progress.phase == "begun" {
            return;
        }
        if self.redraw {
            let line: String = progress.words(true).chars().take(output::note_width()).collect();
            output::raw_note(&format!("\r\x1b[K{line}"));
            self.drawn = true;
        } else if self.is_due(progress) {
            output::note(&progress.words(false));
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
        let now = Some((progress.phase.clone(), progress.position()));
        let is_due = self.shown != now;
        self.shown = now;
        is_due
    }
}

// === impl Progress ===

impl Progress {
    /// Changes where a line is due.
    fn position(&self) -> u64 {
        if self.phase == "building" { self.step.into() } else { self.percent / STEP }
    }

    /// In a terminal with the last line that a build printed, which would be too much elsewhere.
    fn words(&self, with_line: bool) -> String {
        let text = if self.phase == "building" {
            let what = self.what.as_deref().unwrap_or_default();
            let line = self.line.as_deref().filter(|_| with_line).map(|line| format!("  {line}")).unwrap_or_default();
            format!("step {} of {}{line}  {what}", self.step, self.steps)
        } else {
            let image = self.image.as_deref().unwrap_or_default();
            let (done, all) = (output::bytes(self.bytes_done), output::bytes(self.bytes));
            let rate = match self.bytes_per_second {
                0 => String::new(),
                rate => format!("  {}/s", output::bytes(rate)),
            };
            format!(
                "{:3}%  {done} of {all}  {} of {} layers{rate}  {image}",
                self.percent, self.layers_done, self.layers
            )
        };
        output::plain(text.trim_start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(value: &serde_json::Value) -> Progress {
        let mut all = serde_json::json!({
            "phase": "pulling", "percent": 0, "layers": 0, "layers_done": 0, "bytes": 0, "bytes_done": 0,
            "bytes_per_second": 0, "steps": 0, "step": 0,
        });
        let fields = value.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(fields);
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn a_line_says_how_far_it_is() {
        let pulling = progress(&serde_json::json!({
            "image": "v:1", "percent": 50, "layers": 4, "layers_done": 1, "bytes": 2048, "bytes_done": 1024,
            "bytes_per_second": 512,
        }));
        assert_eq!(pulling.words(false), "50%  1.0 KiB of 2.0 KiB  1 of 4 layers  512 B/s  v:1");
        let building = progress(&serde_json::json!({
            "phase": "building", "step": 2, "steps": 3, "what": "RUN pip", "line": "Collecting a",
        }));
        assert_eq!(building.words(false), "step 2 of 3  RUN pip");
        assert_eq!(building.words(true), "step 2 of 3  Collecting a  RUN pip");
    }

    #[test]
    fn where_nobody_watches_there_is_a_line_a_step() {
        let mut bar = Bar { redraw: false, shown: None, drawn: false };
        let pulling = |percent: u64| progress(&serde_json::json!({ "percent": percent }));
        let building = |step: u32| progress(&serde_json::json!({ "phase": "building", "step": step, "steps": 3 }));
        let all: Vec<_> = (0..20).map(pulling).chain([1, 1, 2, 2, 3].map(building)).collect();
        assert_eq!(all.iter().filter(|progress| bar.is_due(progress)).count(), 2 + 3);
    }
}
