use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use crate::Postgres;
use crate::patience::until;

/// What a server needs that others follow: the usual one of a test keeps no log for them.
const FOLLOWED: [&str; 2] = ["wal_level=replica", "max_wal_senders=4"];

// === impl Postgres ===

impl Postgres {
    /// A server that can be followed, and a standby that has everything before a commit is answered.
    pub fn with_standby() -> (Self, Self) {
        let primary = Self::start_with(&FOLLOWED);
        let folder = TempDir::with_prefix("enginehouse-pg-").unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let data = folder.path().join("data");
        primary.binaries.make_folder(&data);
        fs::set_permissions(&data, Permissions::from_mode(0o700)).unwrap();
        primary.binaries.make_folder(&folder.path().join("socket"));
        let (port, socket) = (primary.port.to_string(), primary.socket());
        let from = ["-h", socket.to_str().unwrap(), "-p", &port, "-U", "postgres"];
        let how = ["-D", data.to_str().unwrap(), "-R", "-X", "stream", "-c", "fast", "--no-sync"];
        primary.binaries.run("pg_basebackup", &[&from[..], &how].concat()).unwrap();

        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let (binaries, settings) = (primary.binaries.clone(), primary.settings.clone());
        let mut standby = Self { binaries, folder, port, settings, process: None };
        standby.restart();
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
        primary.sql("SELECT pg_reload_conf()");
        until("the standby to follow", || {
            (primary.sql("SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'") == "sync")
                .then_some(())
        });
        (primary, standby)
    }

    /// Kills the other one and listens where it did, as an address that moves. Still a standby, which only reads.
    pub fn take_place_of(&mut self, mut other: Self) {
        other.kill();
        self.port = other.port;
        self.restart();
    }

    /// Makes a standby the first one.
    pub fn promote(&self) {
        assert_eq!(self.sql("SELECT pg_promote()"), "t");
    }
}
