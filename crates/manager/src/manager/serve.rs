use std::io;
use std::net::SocketAddr;

use axum::Router;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use super::Manager;
use crate::api::{self, AllowedNetworks};

// === impl Manager ===

impl Manager {
    /// The admin API and LiteLLM's management paths for who can open the control socket: nothing is asked for.
    pub fn router(&self) -> Router {
        api::control_router(self)
    }

    /// The admin API for who can log in or presents a secret, as it is served on `own` address to `networks`.
    pub fn admin_router(&self, own: SocketAddr, networks: AllowedNetworks) -> Router {
        api::admin_router(self, own, networks)
    }

    /// Serves [`router`](Self::router) on a socket made by [`Home::bind_control`](crate::Home::bind_control), until
    /// cancelled.
    pub async fn serve_control(&self, listener: UnixListener, cancel: CancellationToken) -> io::Result<()> {
        axum::serve(listener, self.router()).with_graceful_shutdown(self.closes_with(cancel)).await
    }

    /// Serves [`admin_router`](Self::admin_router), until cancelled.
    pub async fn serve_admin(
        &self,
        listener: TcpListener,
        networks: AllowedNetworks,
        cancel: CancellationToken,
    ) -> io::Result<()> {
        let own = listener.local_addr()?;
        let service = self.admin_router(own, networks).into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).with_graceful_shutdown(self.closes_with(cancel)).await
    }

    /// Ends answers that would go on for ever once `cancel` says so: a server waits for all answers.
    fn closes_with(&self, cancel: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let closing = self.0.closing.clone();
        async move {
            cancel.cancelled().await;
            closing.cancel();
        }
    }
}
