use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether an engine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// It runs. Whether it can serve, its health says.
    Alive,
    /// It does not run (any more).
    Exited {
        /// How it ended, as far as can be known.
        reason: Exit,
    },
}

/// How an engine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Unknown: it was not started by this run of the manager, or the machine was restarted since.
    Gone,
}

// === impl Exit ===

impl Exit {
    /// What such an end usually means, where it means something by itself.
    pub const fn hint(self) -> Option<&'static str> {
        match self {
            Self::Code(0) => {
                Some("it ended by itself, and an engine runs until it is stopped; is what it runs an engine?")
            }
            Self::Code(126) => Some("a program in its command cannot be executed"),
            Self::Code(127) => Some("a program in its command was not found"),
            Self::Signal(9) => Some("somebody killed it, or the kernel did for lack of memory (see `dmesg`)"),
            _ => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => match signal_name(signal) {
                Some(name) => write!(f, "signal {name}"),
                None => write!(f, "signal {signal}"),
            },
            Self::Gone => f.write_str("gone"),
        }
    }
}

/// The signals that end engines, by their numbers on Linux.
const fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_shown_in_words() {
        let shown = [Exit::Code(1), Exit::Signal(9), Exit::Signal(40), Exit::Gone].map(|exit| exit.to_string());
        assert_eq!(shown, ["exit code 1", "signal SIGKILL", "signal 40", "gone"]);
        let killed = Exit::Signal(9).hint().unwrap();
        assert!(killed.contains("somebody killed it") && killed.contains("lack of memory"), "{killed}");
        assert_eq!(Exit::Code(1).hint(), None);
    }
}
