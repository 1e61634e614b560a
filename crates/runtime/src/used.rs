/// What an engine uses of the machine itself, not of its GPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// What it has computed since its start, in nanoseconds of one CPU.
    pub cpu_nanos: u64,
    /// Bytes of memory that it holds; what could be given up at once (files read) does not count.
    pub memory_bytes: u64,
}
