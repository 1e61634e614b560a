use std::time::Duration;

/// How often something is looked at, and how many times before a test has failed.
const STEP: Duration = Duration::from_millis(15);
const STEPS: u32 = 4000;

/// Waits until `look` finds something; blocks.
#[expect(clippy::disallowed_methods, reason = "starting a server blocks; tests have nothing else to do meanwhile")]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..STEPS {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(STEP);
    }
    panic!("waited too long for {what}");
}
