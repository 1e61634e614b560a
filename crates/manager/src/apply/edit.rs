use std::time::Duration;

use spec::{Document, Format};

use super::{Applied, ApplyError, ApplyRequest, Source};
use crate::{Actor, Manager};

/// Times that a change is made anew because somebody else was faster.
const TRIES: u32 = 5;

/// How a change of one's own is applied.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EditHow {
    /// Only say what would happen.
    pub(crate) dry_run: bool,
    /// Go back if not everything gets ready in time.
    pub(crate) atomic: bool,
    /// How long to wait for that.
    pub(crate) timeout: Option<Duration>,
}

// === impl Manager ===

impl Manager {
    /// Applies what `change` makes of what applies, at once: a change set of its own. What is staged stays staged.
    pub(crate) async fn apply_edit<E: From<ApplyError>>(
        &self,
        message: &str,
        actor: &Actor,
        how: EditHow,
        mut change: impl FnMut(&mut Document) -> Result<(), E> + Send,
    ) -> Result<Applied, E> {
        if !how.dry_run {
            self.edit_lock().check().map_err(ApplyError::from)?;
        }
        let mut tries = 0;
        loop {
            let before = self.current();
            let mut document = before.document.clone();
            change(&mut document)?;
            spec::validate(&document).map_err(ApplyError::from)?;
            self.take_in(&mut document, &before.document, false).map_err(ApplyError::from)?;
            tries += 1;
            match self.apply(request(&document, before.revision, message, how, actor)).await {
                Err(ApplyError::Moved { .. } | ApplyError::Busy(_)) if tries < TRIES => {
                    tokio::task::yield_now().await;
                }
                applied => return Ok(applied?),
            }
        }
    }
}

fn request(document: &Document, seen: u64, message: &str, how: EditHow, actor: &Actor) -> ApplyRequest {
    // Cannot fail: every key is a string.
    let text = serde_json::to_string(document).unwrap_or_default();
    ApplyRequest {
        source: Source::Document { text, format: Format::Json, base_dir: None },
        message: message.to_owned(),
        expected: Some(seen),
        dry_run: how.dry_run,
        atomic: how.atomic,
        timeout: how.timeout,
        actor: actor.clone(),
    }
}
