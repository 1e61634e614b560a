use http::StatusCode;
use parking_lot::Mutex;

use crate::{Args, Fault};

/// What can be changed while the server runs.
#[derive(Debug)]
pub(crate) struct Settings(Mutex<Current>);

/// Pace and length of answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Milliseconds to the first token.
    pub(crate) ttft_ms: u64,
    /// Milliseconds between tokens.
    pub(crate) inter_token_ms: u64,
    /// Tokens of an answer.
    pub(crate) tokens: u32,
}

/// A fault for the next requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// What fails.
    pub(crate) fault: Fault,
    /// How many more requests fail; none means all.
    pub(crate) times: Option<u32>,
}

#[derive(Debug)]
struct Current {
    pace: Pace,
    standing: Option<Standing>,
    health: StatusCode,
}

// === impl Settings ===

impl Settings {
    pub(crate) fn new(args: &Args) -> Self {
        Self(Mutex::new(Current {
            pace: Pace { ttft_ms: args.ttft_ms, inter_token_ms: args.inter_token_ms, tokens: args.tokens },
            standing: args.fault.map(|fault| Standing { fault, times: None }),
            health: StatusCode::OK,
        }))
    }

    pub(crate) fn pace(&self) -> Pace {
        self.0.lock().pace
    }

    pub(crate) fn change_pace(&self, change: impl FnOnce(&mut Pace)) {
        change(&mut self.0.lock().pace);
    }

    /// What `/health` answers.
    pub(crate) fn health(&self) -> StatusCode {
        self.0.lock().health
    }

    pub(crate) fn set_health(&self, health: StatusCode) {
        self.0.lock().health = health;
    }

    pub(crate) fn standing(&self) -> Option<Standing> {
        self.0.lock().standing
    }

    pub(crate) fn set_standing(&self, standing: Option<Standing>) {
        self.0.lock().standing = standing;
    }

    /// The fault of the next request; counts it off.
    pub(crate) fn take_fault(&self) -> Option<Fault> {
        let mut current = self.0.lock();
        let standing = current.standing.as_mut()?;
        let fault = standing.fault;
        if let Some(times) = &mut standing.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                current.standing = None;
            }
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_for_two_requests_ends_after_two() {
        let settings = Settings::new(&Args::default());
        assert_eq!(settings.take_fault(), None);
        settings.set_standing(Some(Standing { fault: Fault::Refuse, times: Some(2) }));
        assert_eq!(settings.take_fault(), Some(Fault::Refuse));
        assert_eq!(settings.take_fault(), Some(Fault::Refuse));
        assert_eq!(settings.take_fault(), None);
    }

    #[test]
    fn a_fault_without_a_count_stays() {
        let settings = Settings::new(&Args { fault: Some(Fault::NoDone), ..Args::default() });
        assert!((0..9).all(|_| settings.take_fault() == Some(Fault::NoDone)));
        settings.set_standing(None);
        assert_eq!(settings.take_fault(), None);
    }
}
