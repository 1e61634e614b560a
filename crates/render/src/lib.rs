//! Files for other programs, made from the desired state: text from a document and a few facts, and nothing else.
//!
//! - The same document and the same facts give the same bytes, so a file that differs was edited or is old.
//! - No file holds a secret: what is secret stands as the name of a variable or of a file.
//! - What Enginehouse governs wins over what a document passes through; what lost is told in the [`Rendered::notes`].

mod caddyfile;
mod compose;
mod facts;
mod header;
mod litellm;
mod nginx;
mod prometheus;
mod target;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod timeouts;
mod variable;
mod yaml;

pub use facts::Facts;
pub use prometheus::ENGINES;
pub use target::{Target, UnknownTarget};

use spec::Document;

/// A file for another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// What stands in it.
    pub text: String,
    /// What the other program does not get, or gets otherwise than one may expect. Never holds a secret.
    pub notes: Vec<String>,
}

/// What stands in a file, before its header.
#[derive(Debug)]
struct Body {
    text: String,
    notes: Vec<String>,
}

/// The file for one program.
pub fn render(target: Target, document: &Document, facts: &Facts<'_>) -> Rendered {
    let Body { text, notes } = match target {
        Target::Litellm => litellm::render(document, facts),
        Target::Caddyfile => caddyfile::render(document, facts),
        Target::Nginx => nginx::render(document, facts),
        Target::Prometheus => prometheus::render(facts),
        Target::Compose => compose::render(document, facts),
    };
    let text = format!("{}\n{text}", header::of(target, facts, &notes));
    Rendered { text, notes }
}

// === impl Body ===

impl Body {
    /// A text about which there is nothing to note.
    fn plain(text: String) -> Self {
        Self { text, notes: Vec::new() }
    }
}
