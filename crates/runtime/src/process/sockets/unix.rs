use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::Inode;

/// `__SO_ACCEPTCON`: the socket listens.
const LISTENS: u32 = 1 << 16;

/// The sockets that listen under this path.
pub(super) fn listening(path: &Path) -> Vec<Inode> {
    // Bytes, because paths are.
    let table = fs::read("/proc/net/unix").unwrap_or_default();
    table.split(|b| *b == b'\n').filter_map(|line| parse(line, path.as_os_str().as_bytes())).collect()
}

/// The inode of a line `Num RefCount Protocol Flags Type St Inode Path` whose socket listens under `path`.
fn parse(line: &[u8], path: &[u8]) -> Option<Inode> {
    // The path is the rest of the line behind one space, and may hold spaces itself.
    let front = line.strip_suffix(path)?.strip_suffix(b" ")?;
    let mut fields = std::str::from_utf8(front).ok()?.split_ascii_whitespace();
    let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()?;
    let inode = fields.nth(2)?.parse().ok()?;
    (flags & LISTENS != 0 && fields.next().is_none()).then_some(inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_listeners_by_their_whole_path() {
        let line =
            |flags: &str, path: &str| format!("ffff8881: 00000002 00000000 {flags} 0001 01 4711 {path}").into_bytes();
        let path = b"/run/a b.sock";
        assert_eq!(parse(&line("00010000", "/run/a b.sock"), path), Some(4711));
        assert_eq!(parse(&line("00000000", "/run/a b.sock"), path), None, "it does not listen");
        assert_eq!(parse(&line("00010000", "/x /run/a b.sock"), path), None, "another path that ends alike");
        assert_eq!(parse(&line("00010000", "/x/run/a b.sock"), path), None);
        assert_eq!(parse(b"Num RefCount Protocol Flags Type St Inode Path", path), None);
        assert_eq!(parse(b"", path), None);
    }
}
