use std::collections::HashMap;

use bollard::models::{Network, NetworkConnectRequest, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;

use super::{Docker, DockerError, label};

// === impl Docker ===

impl Docker {
    /// Makes the network unless it is there, whoever made it. One at a time: Docker allows several of one name, and then
    /// takes none of them.
    pub async fn ensure_network(&self, name: &str) -> Result<(), DockerError> {
        let _turn = self.network_turn().await;
        let mut found = self.networks(name).await?;
        if found.is_empty() {
            self.make_network(name).await?;
            found = self.networks(name).await?;
        }
        // Of several, made by managers that were killed in the middle, the oldest stays.
        found.sort_by(|one, other| (&one.created, &one.id).cmp(&(&other.created, &other.id)));
        let ours = |network: &&Network| {
            let labels = network.labels.as_ref();
            labels.and_then(|labels| labels.get(label::MANAGED_BY)).is_some_and(|by| by == label::MANAGER)
        };
        for id in found.iter().skip(1).filter(ours).filter_map(|network| network.id.as_deref()) {
            match self.ask(async |api| api.remove_network(id).await).await {
                Err(error) if !error.is_missing() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the network is there, whoever made it.
    pub async fn has_network(&self, name: &str) -> Result<bool, DockerError> {
        Ok(!self.networks(name).await?.is_empty())
    }

    /// Puts a container back into the network.
    pub async fn connect_network(&self, name: &str, container: &str) -> Result<(), DockerError> {
        let request = NetworkConnectRequest { container: container.to_owned(), endpoint_config: None };
        self.ask(async |api| api.connect_network(name, request).await).await
    }

    /// All of exactly this name; Docker's filter takes parts of names too.
    async fn networks(&self, name: &str) -> Result<Vec<Network>, DockerError> {
        let filters = HashMap::from([("name", vec![name])]);
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let mut found = self.ask(async |api| api.list_networks(Some(options)).await).await?;
        found.retain(|network| network.name.as_deref() == Some(name));
        Ok(found)
    }

    async fn make_network(&self, name: &str) -> Result<(), DockerError> {
        let labels = HashMap::from([(label::MANAGED_BY.to_owned(), label::MANAGER.to_owned())]);
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(labels),
            ..NetworkCreateRequest::default()
        };
        self.ask(async |api| api.create_network(request).await).await.map(drop)
    }
}
