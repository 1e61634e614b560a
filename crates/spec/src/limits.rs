//! Bounds of a document, in one place: [`validate`](crate::validate) and the JSON Schema both read them.

use std::ops::RangeInclusive;

/// Version of the format that this build reads and writes.
pub const VERSION: u32 = 1;
/// Bytes that a document may have (16 MiB).
pub const DOCUMENT_BYTES: usize = 16 * 1024 * 1024;
/// How deep lists and mappings may be nested. The format itself needs 7.
pub const DEPTH: usize = 32;

/// Faults, and warnings, that are reported of one document.
pub const REPORTED: usize = 1000;

/// Bytes that a model's name may have.
pub const NAME_BYTES: usize = 256;
/// Names that no model may have, because they are words of a path.
pub const RESERVED_NAMES: [&str; 3] = ["models", "open", "v1"];
/// Bytes that the secret of a credential may have; a key of an account in the cloud is about 3,000 long.
pub const SECRET_BYTES: usize = 16 * 1024;
/// Characters that a deployment's id, or a credential's name, may have.
pub const ID_CHARS: usize = 64;

/// Share of a deployment under `simple-shuffle`.
pub const WEIGHT: RangeInclusive<u32> = 0..=1000;
/// Instances of one engine.
pub const REPLICAS: RangeInclusive<u32> = 1..=8;
/// GPUs that one replica may have: more than any machine holds.
pub const GPUS: u32 = 64;
/// Share by which a model may seem too large before it is refused.
pub const MARGIN: RangeInclusive<f64> = 0.0..=10.0;
/// Bytes of shared memory of a container: 64 MiB to 4 TiB.
pub const SHARED_MEMORY_BYTES: RangeInclusive<u64> = 64 << 20..=4 << 40;
/// Bytes of one log file of a container: 64 KiB to 1 GiB.
pub const LOG_BYTES: RangeInclusive<u64> = 64 << 10..=1 << 30;
/// Log files of a container.
pub const LOG_FILES: RangeInclusive<u32> = 1..=100;
/// Characters of the name of an image.
pub const IMAGE_CHARS: usize = 512;
/// Characters of the id of a model at the Hub.
pub const SOURCE_CHARS: usize = 193;
/// Bytes of a chat template.
pub const TEMPLATE_BYTES: usize = 256 * 1024;
/// CPUs that a container may use: a hundredth to more than any machine has.
pub const CPUS: RangeInclusive<f64> = 0.01..=4_096.0;
/// Bytes of memory that a container may use: 64 MiB to 64 TiB.
pub const MEMORY_BYTES: RangeInclusive<u64> = 64 << 20..=64 << 40;
/// Packages of each sort that a recipe names.
pub const PACKAGES: usize = 100;
/// Characters of the name of a package with its version.
pub const PACKAGE_CHARS: usize = 200;
/// Further tries after a failed one.
pub const RETRIES: RangeInclusive<u32> = 0..=7;
/// Other names for models.
pub const ALIASES: usize = 1_000;
/// Models that one request is passed on to at most, and that one list of fallbacks may name.
pub const MAX_FALLBACKS: u32 = 16;
/// Share of the lowest latency by which others may be slower.
pub const LATENCY_BUFFER: f64 = 10.0;
/// Highest price of anything, in currency units.
pub const PRICE: f64 = 1e6;
/// Bytes that the response cache, or one answer in it, may have: 1 KiB to 64 GiB.
pub const CACHE_BYTES: RangeInclusive<u64> = 1 << 10..=64 << 30;
/// Bytes that a body, or all that are held at once, may have: 1 KiB to 64 GiB.
pub const BODY_BYTES: RangeInclusive<u64> = 1 << 10..=64 << 30;
/// Highest budget, in currency units: what integers of thousand-millionths hold.
pub const BUDGET: f64 = 9e9;
/// Smallest amount of money, in currency units.
pub const SMALLEST_AMOUNT: f64 = 1e-9;
/// Units that a period of a budget may have.
pub const PERIOD: u32 = 10_000;
/// Longest time-out or pause, in seconds: a day.
pub const SECONDS: u32 = 86_400;
/// Hours between two runs of housekeeping: an hour to a year.
pub const HOUSEKEEPING_HOURS: RangeInclusive<u32> = 1..=8_760;
/// Days that single requests are kept: ten years at most. A week at least: periods of budgets that do not begin with an
/// hour are shorter than that ([`PERIOD`] minutes), and sums of what is trimmed are kept by the hour.
pub const RETENTION_DAYS: RangeInclusive<u32> = 7..=3_650;
