use std::fmt;
use std::str::FromStr;

use http::StatusCode;
use thiserror::Error;

/// One way to fail, written `KIND` or `KIND:N` in `--fault`, `POST /sim/faults` and the header `x-sim-fault`.
///
/// "Chunks" are the events of a stream; an answer that is not streamed is cut or stalled in the middle of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `refuse`: the connection is closed without a byte of answer.
    Refuse,
    /// `stall[:N]`: nothing comes any more after N chunks; with 0 (default) not even headers.
    Stall {
        /// Chunks sent before.
        after: u32,
    },
    /// `drip[:MS]`: the whole answer, one byte at a time, MS (default 1) milliseconds apart.
    Drip {
        /// Milliseconds between two bytes.
        gap_ms: u32,
    },
    /// `cut[:N]`: the connection is closed in the middle of the chunk that follows N (default 1) whole ones.
    Cut {
        /// Whole chunks sent before.
        after: u32,
    },
    /// `status:CODE`: vLLM's error body with this status; 429 and 503 carry `retry-after`.
    Status(StatusCode),
    /// `content-policy`: a 400 as of a service whose content policy forbids the prompt.
    ContentPolicy,
    /// `context-window`: a 400 as vLLM's, whatever the length of the prompt.
    ContextWindow,
    /// `wrong-usage[:KIND]`: the usage numbers are wrong in the named way.
    WrongUsage(UsageFault),
    /// `error-event[:N]`: after N (default 1) chunks an error event and `[DONE]`; a plain 500 where nothing is streamed.
    ErrorEvent {
        /// Chunks sent before.
        after: u32,
    },
    /// `no-done`: the stream ends properly but for `[DONE]`.
    NoDone,
    /// `huge-event[:BYTES]`: the second event (or the body) grows by this many bytes (default 1 MiB).
    HugeEvent {
        /// Bytes added.
        bytes: u32,
    },
    /// `bad-json`: the second event (or the body) is half of its JSON.
    BadJson,
    /// `lying-length[:N]`: the announced content length is N (default 10) bytes more than what comes.
    LyingLength {
        /// Bytes announced that never come.
        excess: u32,
    },
    /// `slow-headers[:MS]`: MS (default 5000) milliseconds pass between the status line and the headers.
    SlowHeaders {
        /// Milliseconds between the status line and the rest.
        ms: u32,
    },
}

/// How the `usage` of an answer is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageFault {
    /// `off`: every number is 1,000,000 too high.
    Off,
    /// `negative`: every number is negated.
    Negative,
    /// `missing`: there is no `usage`.
    Missing,
    /// `strings`: every number is written as a string.
    Strings,
    /// `huge`: every number is 10^19, past what 64 signed bits hold.
    Huge,
}

/// The text names no fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no fault; write refuse, stall[:N], drip[:MS], cut[:N], status:CODE, content-policy, context-window, wrong-usage[:off|negative|missing|\
     strings|huge], error-event[:N], no-done, huge-event[:BYTES], bad-json, lying-length[:N] or slow-headers[:MS]"
)]
pub struct UnknownFault(pub String);

// === impl Fault ===

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let (kind, argument) = text.split_once(':').map_or((text, None), |(kind, argument)| (kind, Some(argument)));
        let unknown = || UnknownFault(text.to_owned());
        let number = |default: u32| argument.map_or(Ok(default), |a| a.parse().map_err(|_| unknown()));
        Ok(match kind {
            "refuse" => Self::Refuse,
            "stall" => Self::Stall { after: number(0)? },
            "drip" => Self::Drip { gap_ms: number(1)? },
            "cut" => Self::Cut { after: number(1)? },
            "status" => Self::Status(error_status(number(500)?).ok_or_else(unknown)?),
            "content-policy" => Self::ContentPolicy,
            "context-window" => Self::ContextWindow,
            "wrong-usage" => Self::WrongUsage(argument.unwrap_or("off").parse().map_err(|()| unknown())?),
            "error-event" => Self::ErrorEvent { after: number(1)? },
            "no-done" => Self::NoDone,
            "huge-event" => Self::HugeEvent { bytes: number(1 << 20)? },
            "bad-json" => Self::BadJson,
            "lying-length" => Self::LyingLength { excess: number(10)? },
            "slow-headers" => Self::SlowHeaders { ms: number(5000)? },
            _ => return Err(unknown()),
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse => f.write_str("refuse"),
            Self::Stall { after } => write!(f, "stall:{after}"),
            Self::Drip { gap_ms } => write!(f, "drip:{gap_ms}"),
            Self::Cut { after } => write!(f, "cut:{after}"),
            Self::Status(status) => write!(f, "status:{}", status.as_u16()),
            Self::ContentPolicy => f.write_str("content-policy"),
            Self::ContextWindow => f.write_str("context-window"),
            Self::WrongUsage(kind) => write!(f, "wrong-usage:{}", kind.as_str()),
            Self::ErrorEvent { after } => write!(f, "error-event:{after}"),
            Self::NoDone => f.write_str("no-done"),
            Self::HugeEvent { bytes } => write!(f, "huge-event:{bytes}"),
            Self::BadJson => f.write_str("bad-json"),
            Self::LyingLength { excess } => write!(f, "lying-length:{excess}"),
            Self::SlowHeaders { ms } => write!(f, "slow-headers:{ms}"),
        }
    }
}

// === impl UsageFault ===

impl UsageFault {
    const ALL: [Self; 5] = [Self::Off, Self::Negative, Self::Missing, Self::Strings, Self::Huge];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Negative => "negative",
            Self::Missing => "missing",
            Self::Strings => "strings",
            Self::Huge => "huge",
        }
    }
}

impl FromStr for UsageFault {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

fn error_status(code: u32) -> Option<StatusCode> {
    let status = StatusCode::from_u16(u16::try_from(code).ok()?).ok()?;
    (status.is_client_error() || status.is_server_error()).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_reads_back_what_it_writes() {
        let all = "refuse stall:2 drip:3 cut:4 status:429 wrong-usage:strings error-event:5 no-done huge-event:6 \
                   bad-json lying-length:7 slow-headers:8";
        for text in all.split_whitespace() {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_bare_kind_has_a_default() {
        assert_eq!("stall".parse(), Ok(Fault::Stall { after: 0 }));
        assert_eq!("cut".parse(), Ok(Fault::Cut { after: 1 }));
        assert_eq!("status".parse(), Ok(Fault::Status(StatusCode::INTERNAL_SERVER_ERROR)));
        assert_eq!("wrong-usage".parse(), Ok(Fault::WrongUsage(UsageFault::Off)));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for text in ["", "explode", "cut:x", "cut:-1", "status:200", "status:70000", "wrong-usage:maybe"] {
            assert_eq!(text.parse::<Fault>(), Err(UnknownFault(text.to_owned())));
        }
    }
}
