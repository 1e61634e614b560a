//! The harness of the end-to-end tests. Everything here drives the real binary from outside: processes, sockets, files.
//!
//! A test starts what it needs and asserts on what comes out:
//!
//! ```ignore
//! let program = support::enginehouse!();
//! let engine = Engine::start(&program, &["--model", "tiny"]).await;
//! let server = Server::start(&program).await;
//! server.apply(&document::chat("tiny", &engine)).await;
//! let answer = server.client().post("/v1/chat/completions", &body).await;
//! ```
//!
//! Every server and engine listens on a loopback address of its own, so tests never meet on a port; whatever a
//! test started, engines of the `process` runtime included, is gone when it ends. Faults in the harness panic: they are
//! failures of the test that ran into them.
#![expect(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a harness that fails is a test that fails")]

pub mod docker;
pub mod document;
mod engine;
mod eventually;
mod http;
pub mod hub;
mod loopback;
mod mount;
mod process;
mod program;
mod registry;
mod server;
mod terminal;

pub use engine::Engine;
pub use eventually::{PATIENCE, eventually, until};
pub use http::{Answer, Http, Streaming};
pub use hub::HubServer;
pub use loopback::fresh_address;
pub use mount::Mount;
pub use nvml_sim::Scene;
pub use process::Signal;
pub use program::{Finished, Program};
pub use registry::{Registry, RegistryFault};
pub use server::{MASTER_KEY, Planes, Server, ServerOptions};
pub use terminal::InTerminal;

/// The binary under test. A macro, because only the tests of the package that builds it know where it is.
#[macro_export]
macro_rules! enginehouse {
    () => {
        $crate::Program::new(env!("CARGO_BIN_EXE_enginehouse"))
    };
}

/// Makes two tests of each scenario, an asynchronous function of [`Planes`]: one with the planes in one process, one
/// with them apart.
#[macro_export]
macro_rules! in_both_forms {
    ($($scenario:ident),+ $(,)?) => {
        mod together {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                super::$scenario($crate::Planes::Together).await;
            })+
        }

        mod apart {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                super::$scenario($crate::Planes::Apart).await;
            })+
        }
    };
}
