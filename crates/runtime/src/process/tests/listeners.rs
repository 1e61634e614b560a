use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;

use super::*;
use crate::{Listener, free_port};

/// Listens where it was told until it is killed.
#[test]
#[ignore = "a helper of other tests"]
fn helper_listens() {
    let Some(listener) = helper_value() else { return };
    let _listening: Box<dyn std::any::Any> = match serde_json::from_str(&listener).unwrap() {
        Listener::Port(port) => Box::new(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap()),
        Listener::Socket(path) => Box::new(UnixListener::bind(path).unwrap()),
        Listener::Address(address) => Box::new(TcpListener::bind(address).unwrap()),
    };
    loop {
        std::thread::park();
    }
}

#[test]
fn the_port_of_the_engine_is_its_own() {
    let bench = Bench::new();
    let listener = Listener::Port(free_port().unwrap());
    let silent = bench.sh("sleep 1000");
    assert!(!listens(&silent, &listener), "nobody listens");
    let engine = bench.listening(&listener);
    until(|| listens(&engine, &listener));
    assert!(!listens(&silent, &listener), "another engine does");
    kill(&engine);
    until(|| !listens(&engine, &listener));
}

#[test]
fn a_child_listens_for_its_engine() {
    let bench = Bench::new();
    let listener = Listener::Port(free_port().unwrap());
    let value = serde_json::to_string(&listener).unwrap();
    let mut launch = bench.helper("process::tests::listeners::helper_listens", &value);
    launch.argv.splice(0..0, ["sh", "-c", "\"$@\" & wait", "sh"].map(str::to_owned));
    let engine = bench.start(&launch).unwrap();
    until(|| listens(&engine, &listener));
}

#[test]
fn a_port_that_a_stranger_has_is_not_taken_for_the_engines() {
    let bench = Bench::new();
    let engine = bench.sh("sleep 1000");
    for address in [
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        (Ipv4Addr::UNSPECIFIED, 0).into(),
        (Ipv6Addr::UNSPECIFIED, 0).into(),
    ] {
        // A machine may be without IPv6.
        let Ok(stranger) = TcpListener::bind(address) else { continue };
        let listener = Listener::Port(stranger.local_addr().unwrap().port());
        // The kernel shows the table page by page, so one look may miss a line while others come and go.
        until(|| sockets::listening(&listener).len() == 1);
        assert!(!listens(&engine, &listener));
    }
}

#[test]
fn the_socket_of_the_engine_is_its_own() {
    let bench = Bench::new();
    let path = bench.path().join("run/a b.sock");
    let listener = Listener::Socket(path.clone());
    let mut launch =
        bench.helper("process::tests::listeners::helper_listens", &serde_json::to_string(&listener).unwrap());
    launch.socket = Some(path.clone());
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "an earlier run left its socket");
    let engine = bench.start(&launch).unwrap();
    until(|| listens(&engine, &listener));
    let other = bench.sh("sleep 1000");
    assert!(!listens(&other, &listener));
    assert_eq!(launch.listener(), Some(listener));
}

#[test]
fn a_socket_that_a_stranger_has_is_not_taken_for_the_engines() {
    let bench = Bench::new();
    let path = bench.path().join("s.sock");
    let engine = bench.sh("sleep 1000");
    let _stranger = UnixListener::bind(&path).unwrap();
    assert!(!listens(&engine, &Listener::Socket(path)));
}

#[test]
fn the_folder_of_a_socket_is_made_private() {
    let bench = Bench::new();
    let mut launch = bench.launch(&["true"]);
    launch.socket = Some(bench.path().join("run/s.sock"));
    bench.start(&launch).unwrap();
    assert_eq!(std::fs::metadata(bench.path().join("run")).unwrap().permissions().mode() & 0o777, 0o700);
    launch.socket = Some(bench.path().join("x".repeat(120)));
    assert!(start(&launch).unwrap_err().to_string().contains("more than the 107 of a Unix socket"));
}
