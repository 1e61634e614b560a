//! Models from Hugging Face, in the cache layout that engines and Python tools read offline:
//!
//! ```text
//! <cache>/models--org--name/
//!   blobs/<digest>                 each content once; <digest>.incomplete while it comes
//!   snapshots/<commit>/<path>      links to blobs: a revision as a folder
//!   refs/<branch or tag>           the commit that it led to last
//! <cache>/.locks/models--org--name/<digest>.lock
//! ```
//!
//! A blob gets its name only once its checksum is right, a ref is written only once everything behind it is there, and both
//! by a rename: whoever reads sees all of a thing or none of it. Locks are those of Python's `huggingface_hub` (`flock`),
//! so that both can fetch into one cache at once. What a server says is never trusted: names, sizes, ranges and redirects
//! are checked, and contents against their digests.

mod cache;
mod error;
mod glob;
mod http;
mod hub;
mod listing;
mod look;
mod pull;
mod repository;
mod revision;
mod settings;
mod weights;

pub use cache::{Cache, CacheError, CachedModel, CachedRevision, InUse, Presence, Removed};
pub use error::HubError;
pub use glob::{Glob, UnfitGlob};
pub use hub::{Choice, Hub, Pulled, Wish};
pub use look::Look;
pub use pull::Progress;
pub use repository::{Repository, UnfitRepository};
pub use revision::{Revision, UnfitRevision};
pub use settings::{Endpoint, Patience, Settings, SettingsError, Token};
