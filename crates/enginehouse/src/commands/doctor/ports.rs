use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::{Check, DoctorArgs};

const GUIDE: &str = "operations.md#ports";

/// Whether the two ports are free, or ours.
pub(super) async fn check(args: &DoctorArgs, running: bool) -> [Check; 2] {
    [
        one("port", "client port", args.listen, running).await,
        one("admin port", "admin port", args.admin_listen, running).await,
    ]
}

async fn one(name: &'static str, what: &str, address: SocketAddr, running: bool) -> Check {
    match TcpListener::bind(address).await {
        Ok(_) if running => {
            let advice = format!("name it with --{}, if the service listens elsewhere", flag(name));
            Check::info(name, format!("nobody listens on {address}; {advice}"))
        }
        Ok(_) => Check::ok(name, format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && running => {
            Check::ok(name, format!("{address} is served"))
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let message = format!("{address} is taken by another program");
            Check::fail(
                name,
                message,
                &format!("see `ss -ltnp`, or choose another {what} with --{}", flag(name)),
                GUIDE,
            )
        }
        Err(error) => {
            let message = format!("{address} cannot be used: {error}");
            Check::fail(name, message, &format!("choose another {what} with --{}", flag(name)), GUIDE)
        }
    }
}

fn flag(name: &str) -> &'static str {
    if name == "port" { "listen" } else { "admin-listen" }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[tokio::test]
    async fn a_port_is_free_or_taken_or_served() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        assert_eq!(one("port", "client port", address, false).await.verdict, Verdict::Fail);
        assert_eq!(one("port", "client port", address, true).await.verdict, Verdict::Ok);
        drop(taken);
        assert_eq!(one("port", "client port", address, false).await.verdict, Verdict::Ok);
        assert_eq!(one("port", "client port", address, true).await.verdict, Verdict::Info);
    }
}
