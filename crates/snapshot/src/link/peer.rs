use std::io;

use rustix::process::geteuid;
use tokio::net::UnixStream;

/// Makes sure that the other side runs as the same user, or as root.
pub(super) fn check(stream: &UnixStream) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    if is_trusted(uid, geteuid().as_raw()) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("user {uid} is neither ours nor root")))
}

fn is_trusted(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_user_and_root_are_trusted_and_nobody_else() {
        let (near, _far) = UnixStream::pair().unwrap();
        check(&near).unwrap();
        assert!(is_trusted(1_000, 1_000) && is_trusted(0, 1_000));
        assert!(!is_trusted(1_001, 1_000) && !is_trusted(1_000, 0));
    }
}
