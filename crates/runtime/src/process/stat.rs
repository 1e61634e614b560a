use std::fs;
use std::io;

/// What is read of `/proc/<pid>/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// `R`, `S`, `D`, `Z` and so on.
    state: u8,
    /// The group that it is in.
    pub(super) group: u32,
    /// Clock ticks that it has computed.
    pub(super) cpu_ticks: u64,
    /// Clock ticks from boot to its start.
    pub(super) start_ticks: u64,
    /// Pages that it holds in memory.
    pub(super) pages: u64,
}

// === impl Stat ===

impl Stat {
    /// Of a process that exists, running or not yet reaped.
    pub(super) fn read(pid: u32) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(&text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unknown format of /proc/<pid>/stat"))
    }

    /// Whether it ended and waits to be reaped.
    pub(super) const fn is_zombie(self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }

    /// The second field, the name, stands in parentheses and may itself hold parentheses, spaces and newlines, so
    /// the fields are counted from the last parenthesis on, behind which only numbers and one letter stand.
    fn parse(text: &[u8]) -> Option<Self> {
        let end_of_name = text.iter().rposition(|b| *b == b')')?;
        let rest = std::str::from_utf8(&text[end_of_name + 1..]).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        // The numbers of the fields are those of proc_pid_stat(5): 3, 5, 14 and 15, 22, 24.
        let state = *fields.next()?.as_bytes().first()?;
        let group = fields.nth(1)?.parse().ok()?;
        let user: u64 = fields.nth(8)?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        let start_ticks = fields.nth(6)?.parse().ok()?;
        let pages = fields.nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
        Some(Self { state, group, cpu_ticks: user.saturating_add(system), start_ticks, pages })
    }
}

/// All processes that can be seen; those that end meanwhile are left out.
pub(super) fn all() -> io::Result<impl Iterator<Item = (u32, Stat)>> {
    let pids = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter_map(|pid| Some((pid, Stat::read(pid).ok()?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let rest = "S 7 42 42 0 -1 4194304 100 0 0 0 30 5 0 0 20 0 1 0 987654 0 7";
        let expected = Some(Stat { state: b'S', group: 42, cpu_ticks: 35, start_ticks: 987_654, pages: 7 });
        for name in ["vllm", "a b", "VLLM::EngineCor", ") R 1 1", "((", "\n", "\u{e9}"] {
            assert_eq!(Stat::parse(format!("123 ({name}) {rest}\n").as_bytes()), expected, "{name:?}");
        }
        let expected = expected.map(|stat| Stat { cpu_ticks: 0, pages: 0, ..stat });
        assert_eq!(Stat::parse(b"123 (\xff) S 7 42 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 987654 0"), expected);
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        for text in ["", "123 (vllm)", "123 (vllm) S 7", "123 (vllm) S x 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0"] {
            assert_eq!(Stat::parse(text.as_bytes()), None);
        }
    }

    #[test]
    fn this_process_is_seen() {
        let pid = std::process::id();
        let own = Stat::read(pid).unwrap();
        assert!(!own.is_zombie() && own.start_ticks > 0);
        assert!(all().unwrap().any(|(seen, stat)| seen == pid && stat.start_ticks == own.start_ticks));
    }
}
