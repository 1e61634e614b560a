use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use bollard::models::{ContainerInspectResponse, ContainerSummary, ContainerSummaryStateEnum as Summary};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder};

use super::{Docker, DockerError, label};

/// A container as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: State,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its address in each network.
    pub addresses: BTreeMap<String, IpAddr>,
}

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// It was frozen, and does nothing.
    Paused,
    /// It was made and never started.
    Created,
    /// It has ended.
    Ended,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub code: i64,
    /// Whether the kernel killed it for the machine's memory.
    pub out_of_memory: bool,
    /// What Docker says of it.
    pub error: Option<String>,
}

// === impl Container ===

impl Container {
    /// What a label says.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    /// `<deployment id>/<number>`, if it bears both, and its place behind that.
    pub fn replica_id(&self) -> Option<String> {
        let place = self.label(label::PLACE).unwrap_or_default();
        Some(format!("{}/{}{place}", self.label(label::DEPLOYMENT)?, self.label(label::REPLICA)?))
    }

    fn of(summary: ContainerSummary) -> Option<Self> {
        let name = summary.names.unwrap_or_default().into_iter().next().unwrap_or_default();
        let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let addresses = networks.into_iter().filter_map(|(name, endpoint)| Some((name, address(endpoint.ip_address)?)));
        Some(Self {
            id: summary.id?,
            name: name.trim_start_matches('/').to_owned(),
            state: match summary.state? {
                Summary::RUNNING | Summary::RESTARTING | Summary::STOPPING => State::Running,
                Summary::PAUSED => State::Paused,
                Summary::CREATED => State::Created,
                Summary::EXITED | Summary::DEAD | Summary::REMOVING | Summary::EMPTY => State::Ended,
            },
            labels: summary.labels.unwrap_or_default().into_iter().collect(),
            addresses: addresses.collect(),
        })
    }
}

// === impl Docker ===

impl Docker {
    /// All containers that an instance of Enginehouse made, running or not.
    pub async fn list(&self, instance: &str) -> Result<Vec<Container>, DockerError> {
        let labels = [(label::MANAGED_BY, label::MANAGER), (label::INSTANCE, instance)];
        let labels = labels.map(|(name, value)| format!("{name}={value}")).to_vec();
        let filters = HashMap::from([("label".to_owned(), labels)]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = self.ask(async |api| api.list_containers(Some(options)).await).await?;
        Ok(found.into_iter().filter_map(Container::of).collect())
    }

    /// The address of a container in a network; none while it does not run, or was taken out of it.
    pub async fn address(&self, container: &str, network: &str) -> Result<Option<IpAddr>, DockerError> {
        let found = self.inspect(container).await?;
        let mut networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        Ok(networks.remove(network).and_then(|endpoint| address(endpoint.ip_address)))
    }

    /// How a container ended; none if it runs.
    pub async fn ended(&self, container: &str) -> Result<Option<Ended>, DockerError> {
        let state = self.inspect(container).await?.state.unwrap_or_default();
        let runs = state.running == Some(true);
        Ok((!runs).then(|| Ended {
            code: state.exit_code.unwrap_or_default(),
            out_of_memory: state.oom_killed == Some(true),
            error: state.error.filter(|error| !error.is_empty()),
        }))
    }

    /// The number of the first process of a container; none while it does not run.
    pub(super) async fn pid(&self, container: &str) -> Result<Option<i64>, DockerError> {
        let state = self.inspect(container).await?.state.unwrap_or_default();
        Ok(state.pid.filter(|pid| *pid > 0))
    }

    /// The labels of the container of that name; none if there is none.
    pub async fn labels_of(&self, name: &str) -> Result<Option<(String, BTreeMap<String, String>)>, DockerError> {
        match self.inspect(name).await {
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
            Ok(found) => {
                let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
                Ok(Some((found.id.unwrap_or_default(), labels.into_iter().collect())))
            }
        }
    }

    async fn inspect(&self, container: &str) -> Result<ContainerInspectResponse, DockerError> {
        self.ask(async |api| api.inspect_container(container, None::<InspectContainerOptions>).await).await
    }
}

fn address(text: Option<String>) -> Option<IpAddr> {
    text?.parse().ok()
}
