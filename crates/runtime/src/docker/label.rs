//! Labels of containers and networks. No secret is ever in one.

/// Says that Enginehouse made it; see [`MANAGER`].
pub const MANAGED_BY: &str = "managed-by";
/// What [`MANAGED_BY`] says.
pub const MANAGER: &str = "enginehouse";
/// Which Enginehouse made it.
pub const INSTANCE: &str = "enginehouse-instance";
/// The id of the deployment.
pub const DEPLOYMENT: &str = "enginehouse-deployment";
/// Public name of the model.
pub const MODEL_NAME: &str = "model-name";
/// Type of the model.
pub const MODEL_TYPE: &str = "model-type";
/// Number of the replica, from 0.
pub const REPLICA: &str = "replica";
/// Which of the two places of the replica it has; only where that is not the first.
pub const PLACE: &str = "enginehouse-place";
/// Hash of what the container was made from.
pub const SPEC: &str = "enginehouse-spec";
/// UUIDs of the GPUs that it got, with commas between; empty where it got none.
pub const GPUS: &str = "enginehouse-gpus";
