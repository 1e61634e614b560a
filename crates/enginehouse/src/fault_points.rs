//! Lets tests kill the process at a certain step. Builds for production know nothing of it.

use manager::FaultPoints;

/// The point that a test named in the environment.
pub(crate) fn from_environment() -> FaultPoints {
    #[cfg(debug_assertions)]
    if let Ok(name) = std::env::var("ENGINEHOUSE_TEST_FAULT_POINT") {
        return FaultPoints::at(&name);
    }
    FaultPoints::default()
}
