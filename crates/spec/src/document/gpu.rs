use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

/// One GPU as people name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Gpu {
    /// By index, as `nvidia-smi` counts.
    Index(u32),
    /// By UUID, `all`, or the name of a slice.
    Name(String),
}

/// Reads what serde's `untagged` would read, but says what is wrong and where.
struct GpuVisitor;

// === impl Gpu ===

impl<'de> Deserialize<'de> for Gpu {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GpuVisitor)
    }
}

impl fmt::Display for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => index.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

// === impl GpuVisitor ===

impl de::Visitor<'_> for GpuVisitor {
    type Value = Gpu;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a GPU: its index, its UUID, `all`, or the name of a slice")
    }

    fn visit_u64<E: de::Error>(self, index: u64) -> Result<Gpu, E> {
        u32::try_from(index).map(Gpu::Index).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(index), &self))
    }

    fn visit_i64<E: de::Error>(self, index: i64) -> Result<Gpu, E> {
        u32::try_from(index).map(Gpu::Index).map_err(|_| E::invalid_value(de::Unexpected::Signed(index), &self))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Gpu, E> {
        Ok(Gpu::Name(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_indices_and_names() {
        let gpus: Vec<Gpu> = serde_json::from_str(r#"[0, "all", "GPU-1f2e"]"#).unwrap();
        assert_eq!(gpus, [Gpu::Index(0), Gpu::Name("all".into()), Gpu::Name("GPU-1f2e".into())]);
    }

    #[test]
    fn says_what_a_gpu_is() {
        for wrong in ["[-1]", "[4294967296]", "[1.5]", "[null]"] {
            let error = serde_json::from_str::<Vec<Gpu>>(wrong).unwrap_err().to_string();
            assert!(error.contains("expected a GPU: its index, its UUID, `all`"), "{wrong}: {error}");
        }
    }
}
