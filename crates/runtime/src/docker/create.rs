use std::collections::{BTreeMap, HashMap};
use std::fmt;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigLogConfig, NetworkingConfig, PortBinding,
    RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions};
use std::time::Duration;

use super::{Docker, DockerError, Gpus};

/// How long making or starting a container may take: file systems of images are large, GPUs slow to wake.
const PATIENCE: Duration = Duration::from_secs(120);

/// What it takes to make a container.
#[derive(Clone, PartialEq)]
pub struct ContainerLaunch {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// What runs in place of what the image starts; empty where the image knows.
    pub entrypoint: Vec<String>,
    /// Arguments behind that.
    pub args: Vec<String>,
    /// Environment; values may be secrets.
    pub env: BTreeMap<String, String>,
    /// What tells whose it is, and what; see [`label`](super::label).
    pub labels: BTreeMap<String, String>,
    /// Its GPUs.
    pub gpus: Gpus,
    /// The network that it is reached by.
    pub network: String,
    /// The TCP port on which it listens.
    pub port: u16,
    /// A port on 127.0.0.1 of the machine that leads there too.
    pub host_port: Option<u16>,
    /// What it sees of the machine's disk.
    pub volumes: Vec<Volume>,
    /// CPUs that it may use; all where it does not say.
    pub cpus: Option<f64>,
    /// Bytes of the machine's memory that it may use; all where it does not say.
    pub memory_bytes: Option<u64>,
    /// Bytes of shared memory.
    pub shm_bytes: u64,
    /// Bytes of one log file that Docker keeps.
    pub log_bytes: u64,
    /// Log files that Docker keeps.
    pub log_files: u32,
}

/// A folder of the machine, or a volume, in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Absolute path, or the name of a volume.
    pub source: String,
    /// Where it is in the container.
    pub target: String,
    /// Whether it can only be read there.
    pub read_only: bool,
}

// === impl ContainerLaunch ===

impl ContainerLaunch {
    fn body(&self) -> ContainerCreateBody {
        let words = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
        let networks = HashMap::from([(self.network.clone(), EndpointSettings::default())]);
        ContainerCreateBody {
            image: Some(self.image.clone()),
            entrypoint: words(&self.entrypoint),
            cmd: Some(self.args.clone()),
            env: Some(self.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            labels: Some(self.labels.clone().into_iter().collect()),
            exposed_ports: Some(vec![self.exposed()]),
            host_config: Some(self.host_config()),
            networking_config: Some(NetworkingConfig { endpoints_config: Some(networks) }),
            ..ContainerCreateBody::default()
        }
    }

    fn host_config(&self) -> HostConfig {
        let policy = RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None };
        let memory = self.memory_bytes.and_then(|bytes| i64::try_from(bytes).ok());
        let limits = [("max-size", self.log_bytes.to_string()), ("max-file", self.log_files.to_string())];
        HostConfig {
            network_mode: Some(self.network.clone()),
            restart_policy: Some(policy),
            device_requests: self.gpus.request(),
            nano_cpus: self.cpus.map(nano_cpus),
            memory,
            // As much as of memory: no swap besides.
            memory_swap: memory,
            shm_size: i64::try_from(self.shm_bytes).ok(),
            binds: Some(self.volumes.iter().map(Volume::bind).collect()),
            port_bindings: self.host_port.map(|port| HashMap::from([(self.exposed(), Some(vec![loopback(port)]))])),
            // Reaps what workers leave, and hands on the signal that ends all.
            init: Some(true),
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(limits.map(|(name, value)| (name.to_owned(), value)).into()),
            }),
            ..HostConfig::default()
        }
    }

    fn exposed(&self) -> String {
        format!("{}/tcp", self.port)
    }
}

impl fmt::Debug for ContainerLaunch {
    /// Without the values of the environment and the arguments, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerLaunch")
            .field("name", &self.name)
            .field("image", &self.image)
            .field("env", &self.env.keys())
            .field("gpus", &self.gpus)
            .finish_non_exhaustive()
    }
}

// === impl Volume ===

impl Volume {
    fn bind(&self) -> String {
        let mode = if self.read_only { ":ro" } else { "" };
        format!("{}:{}{mode}", self.source, self.target)
    }
}

// === impl Docker ===

impl Docker {
    /// Makes a container; its id. It does not run yet.
    pub async fn create(&self, launch: &ContainerLaunch) -> Result<String, DockerError> {
        let options = CreateContainerOptionsBuilder::default().name(&launch.name).build();
        let made = self.ask_for(PATIENCE, async |api| api.create_container(Some(options), launch.body()).await).await;
        match made {
            Ok(made) => Ok(made.id),
            Err(DockerError::Refused { message }) if message.contains("is already in use by container") => {
                Err(DockerError::NameTaken { name: launch.name.clone() })
            }
            Err(error) => Err(error),
        }
    }

    /// Starts a container that was made.
    pub async fn start(&self, container: &str) -> Result<(), DockerError> {
        self.ask_for(PATIENCE, async |api| api.start_container(container, None::<StartContainerOptions>).await).await
    }
}

/// Thousand-millionths of a CPU.
#[expect(
    clippy::cast_possible_truncation,
    reason = "far below what an integer holds, and the rest is below a thousand-millionth"
)]
fn nano_cpus(cpus: f64) -> i64 {
    (cpus * 1e9).round() as i64
}

fn loopback(port: u16) -> PortBinding {
    PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(port.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch() -> ContainerLaunch {
        ContainerLaunch {
            name: "enginehouse-d-0".into(),
            image: "i:1".into(),
            entrypoint: Vec::new(),
            args: vec!["Org/M".into()],
            env: [("A".to_owned(), "secret".to_owned())].into(),
            labels: BTreeMap::new(),
            gpus: Gpus::All,
            network: "llm-network".into(),
            port: 8000,
            host_port: None,
            volumes: vec![Volume { source: "/m".into(), target: "/m".into(), read_only: true }],
            cpus: Some(1.5),
            memory_bytes: Some(1 << 32),
            shm_bytes: 1 << 30,
            log_bytes: 1 << 20,
            log_files: 3,
        }
    }

    #[test]
    fn a_container_is_open_to_nobody_and_restarted_by_nobody() {
        let body = launch().body();
        let host = body.host_config.unwrap();
        assert_eq!(host.port_bindings, None);
        assert_eq!(host.restart_policy.unwrap().name, Some(RestartPolicyNameEnum::NO));
        assert_eq!(host.binds.unwrap(), ["/m:/m:ro"]);
        assert_eq!(
            (host.nano_cpus, host.memory, host.memory_swap),
            (Some(1_500_000_000), Some(1 << 32), Some(1 << 32))
        );
        assert_eq!((host.shm_size, body.entrypoint), (Some(1 << 30), None));
        assert_eq!(host.log_config.unwrap().config.unwrap()["max-size"], "1048576");
        assert!(!format!("{:?}", launch()).contains("secret"));
    }

    #[test]
    fn a_port_of_the_machine_is_on_loopback_only() {
        let body = ContainerLaunch { host_port: Some(9001), ..launch() }.body();
        let bindings = body.host_config.unwrap().port_bindings.unwrap();
        assert_eq!(bindings["8000/tcp"], Some(vec![loopback(9001)]));
        assert_eq!(loopback(9001).host_ip.unwrap(), "127.0.0.1");
    }
}
