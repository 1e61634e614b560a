//! Desired state: the one document that the whole service is generated from.
//!
//! Pure data and pure functions: no I/O, no clock, no environment. A document goes this way:
//!
//! 1. [`parse`] reads YAML or JSON strictly: what it does not know, it refuses, and says where.
//! 2. [`Document::absolutize`] and [`Document::assign_ids`] make it independent of where it came from.
//! 3. [`validate`] names every fault at once; [`warnings`] names what is allowed and yet has no effect.
//! 4. [`diff`] compares it with the document that is applied now, item by item.
//! 5. An item can be put into a document or taken away by itself ([`Document::put_item`]); its kind is one file in `kinds`.
//! 6. [`to_yaml`] and [`to_json`] write it back; parsing that gives the same document.
//!
//! Strings may be references to the environment (`os.environ/NAME`, see [`environment_variable`]) and
//! commands hold placeholders (see [`placeholder`]). Both stay as they are here; whoever starts an engine
//! resolves them.

mod absolutize;
mod assign_ids;
mod container;
mod defaults;
mod diff;
mod document;
mod environment;
mod fault;
mod gpus_each;
mod item;
mod kinds;
pub mod limits;
mod mask;
mod merge;
mod model_type;
mod parse;
mod period;
pub mod placeholder;
mod quote;
mod recipe;
mod reference;
mod schema;
mod secret;
mod spread;
mod templates;
mod validate;
mod warning;
mod write;

#[cfg(test)]
mod arbitrary;

pub use container::{CONTAINER_PORT, CONTAINER_TEMPLATE, Container, container, environment, image};
pub use defaults::{TypeDefaults, defaults};
pub use diff::{Change, ChangeKind, FieldChange, compare, diff};
pub use document::*;
pub use environment::{environment_variable, environment_variables};
pub use fault::{Fault, Faults};
pub use gpus_each::gpus_each;
pub use item::{Item, ItemId, items};
pub use kinds::{ItemKind, UnknownKind};
pub use mask::{MASK, mask_document, masked};
pub use merge::{MergeError, Merged, Part, merge};
pub use model_type::ModelType;
pub use parse::{Format, ParseError, parse};
pub use period::{Period, PeriodUnit, UnfitPeriod};
pub use recipe::{BuildPlan, Image, RECIPE_LABEL};
pub use reference::{Reference, references};
pub use schema::json_schema;
pub use secret::{is_secret_entry, is_secret_name, is_secret_text, secret_words};
pub use spread::Spread;
pub use templates::is_template_path;
pub use validate::{check_image, validate, validate_item};
pub use warning::{Warning, warnings};
pub use write::{WriteError, to_json, to_yaml};
