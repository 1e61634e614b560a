use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bollard::body_full;
use bollard::models::BuildInfo;
use bollard::query_parameters::BuildImageOptionsBuilder;
use futures_util::StreamExt as _;

use super::{Docker, DockerError};

/// How long a build may say nothing at all: large packages come without a word.
const SILENCE: Duration = Duration::from_secs(30 * 60);
/// Last lines that are kept of a build.
const LINES: usize = 20;
/// Characters of a line that are kept.
const LINE: usize = 400;
/// Name of the only file of the context.
const DOCKERFILE: &str = "Dockerfile";

/// How far a build is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Building {
    /// The step that is done, from 1; 0 before the first.
    pub step: u32,
    /// How many there are; 0 before that is known.
    pub steps: u32,
    /// What the step is.
    pub what: String,
    /// The last lines that it printed.
    pub lines: VecDeque<String>,
}

// === impl Docker ===

impl Docker {
    /// Builds an image from one text and nothing else, telling how far it is; it bears this label besides. It has its name at the
    /// very end: a build that ends early leaves none, and a daemon gives up a build whose client goes away.
    pub async fn build(
        &self,
        name: &str,
        dockerfile: &str,
        label: (&str, &str),
        mut tell: impl FnMut(&Building),
    ) -> Result<(), DockerError> {
        let failed = |building: &Building, reason: String| DockerError::Build {
            image: name.to_owned(),
            step: building.place(),
            reason: reason.trim().to_owned(),
            last_lines: building.lines.iter().cloned().collect(),
        };
        let mut building = Building::default();
        let context = context(dockerfile).map_err(|error| failed(&building, error.to_string()))?;
        let api = self.api().await?;
        let options = BuildImageOptionsBuilder::default().dockerfile(DOCKERFILE).t(name).rm(true).forcerm(true);
        let options = options.labels(&HashMap::from([label])).build();
        let stream = api.build_image(options, None, Some(body_full(context.into())));
        tokio::pin!(stream);
        loop {
            match tokio::time::timeout(SILENCE, stream.next()).await {
                Ok(Some(Ok(told))) => {
                    if building.take(told) {
                        tell(&building);
                    }
                }
                Ok(Some(Err(error))) => {
                    return Err(self.told(error, |reason| failed(&building, reason)).bringing(name));
                }
                Ok(None) => break,
                Err(_) => {
                    return Err(failed(&building, format!("nothing was said for {} s", SILENCE.as_secs())));
                }
            }
        }
        if self.has_image(name).await? {
            return Ok(());
        }
        Err(failed(&building, "Docker ended the build without a word".to_owned()))
    }
}

// === impl Building ===

impl Building {
    /// Takes in what the daemon said; whether there is news.
    fn take(&mut self, told: BuildInfo) -> bool {
        let Some(text) = told.stream else { return false };
        let mut news = false;
        for line in text.lines().map(plain).filter(|line| !line.is_empty()) {
            news = true;
            if let Some((step, steps, what)) = step(&line) {
                *self = Self { step, steps, what, lines: VecDeque::new() };
            } else if !line.starts_with("---> ") {
                if self.lines.len() == LINES {
                    self.lines.pop_front();
                }
                self.lines.push_back(line);
            }
        }
        news
    }

    /// Which step it is, in words.
    pub fn place(&self) -> String {
        if self.steps == 0 {
            return "before its first step".to_owned();
        }
        format!("in step {} of {} (`{}`)", self.step, self.steps, self.what)
    }
}

/// The build's context: a tar with one file, equal to the last byte for equal texts.
fn context(dockerfile: &str) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(dockerfile.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, DOCKERFILE, dockerfile.as_bytes())?;
    archive.into_inner()
}

/// `Step 2/4 : RUN …`, as the classic builder says it.
fn step(line: &str) -> Option<(u32, u32, String)> {
    let (numbers, what) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let (step, steps) = numbers.split_once('/')?;
    Some((step.parse().ok()?, steps.parse().ok()?, what.to_owned()))
}

/// A line without what would act on a terminal: what goes to standard error comes in red.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // `ESC [ … letter`.
            chars.by_ref().skip(1).find(char::is_ascii_alphabetic);
        } else if !c.is_control() && text.len() < LINE {
            text.push(c);
        }
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(building: &mut Building, text: &str) -> bool {
        building.take(BuildInfo { stream: Some(text.to_owned()), ..BuildInfo::default() })
    }

    #[test]
    fn steps_and_lines_are_read() {
        let mut building = Building::default();
        assert_eq!(building.place(), "before its first step");
        assert!(told(&mut building, "Step 2/3 : RUN pip install a==1\n"));
        assert!(!told(&mut building, "\n"));
        told(&mut building, " ---> Running in 0123\n");
        told(&mut building, "\u{1b}[91mERROR: no such package\n\u{1b}[0m");
        assert_eq!((building.step, building.steps), (2, 3));
        assert_eq!(building.place(), "in step 2 of 3 (`RUN pip install a==1`)");
        assert_eq!(building.lines, ["ERROR: no such package"]);
        (0..100).for_each(|n| assert!(told(&mut building, &n.to_string())));
        assert_eq!((building.lines.len(), building.lines.back().unwrap().as_str()), (LINES, "99"));
    }

    #[test]
    fn equal_texts_are_equal_contexts() {
        let made = context("FROM a\n").unwrap();
        assert_eq!(made, context("FROM a\n").unwrap());
        let mut archive = tar::Archive::new(made.as_slice());
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!((entry.header().mtime().unwrap(), entry.header().uid().unwrap()), (0, 0));
        assert_eq!(entry.path().unwrap().to_str(), Some(DOCKERFILE));
    }
}
