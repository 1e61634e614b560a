use std::collections::BTreeMap;
use std::ffi::OsString;

/// Variables that every engine inherits, by name.
const NAMES: [&str; 26] = [
    "CONDA_PREFIX",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HOME",
    "HUGGINGFACE_HUB_CACHE",
    "LANG",
    "LANGUAGE",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "NO_COLOR",
    "PATH",
    "PYTHONPATH",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TEMP",
    "TMP",
    "TMPDIR",
    "TRANSFORMERS_CACHE",
    "TZ",
    "USER",
    "VIRTUAL_ENV",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
];

/// Families of variables that every engine inherits, by what stands in front.
const PREFIXES: [&str; 14] = [
    "CUDA_",
    "GOMP_",
    "HIP_",
    "LC_",
    "MKL_",
    "NCCL_",
    "NVIDIA_",
    "OMP_",
    "OPENBLAS_",
    "PYTORCH_",
    "ROCR_",
    "TORCH",
    "TRITON_",
    "VLLM_",
];

/// Engines run from the cache and have no token, so they should not even try to reach the hub.
const OFFLINE: &str = "HF_HUB_OFFLINE";

/// The whole environment of an engine: the safe part of ours, and on top what the launch says.
pub(super) fn environment(
    ours: impl Iterator<Item = (OsString, OsString)>,
    launch: &BTreeMap<String, String>,
) -> BTreeMap<OsString, OsString> {
    let mut all: BTreeMap<_, _> = ours.filter(|(name, _)| name.to_str().is_some_and(is_inherited)).collect();
    all.insert(OFFLINE.into(), "1".into());
    all.extend(launch.iter().map(|(name, value)| (name.into(), value.into())));
    all
}

fn is_inherited(name: &str) -> bool {
    let known = NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    // A secret of a family (`VLLM_API_KEY`) is not inherited.
    known && !spec::is_secret_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_our_own_settings_stay_here() {
        let ours = [
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("CUDA_VISIBLE_DEVICES", "0"),
            ("VLLM_API_KEY", "secret"),
            ("HF_TOKEN", "secret"),
            ("ENGINEHOUSE_MASTER_KEY", "secret"),
            ("OPENAI_API_KEY", "secret"),
            ("HF_HUB_OFFLINE", "0"),
        ];
        let all = environment(ours.into_iter().map(|(n, v)| (n.into(), v.into())), &BTreeMap::new());
        let shown: Vec<_> = all.iter().map(|(n, v)| format!("{}={}", n.display(), v.display())).collect();
        assert_eq!(shown, ["CUDA_VISIBLE_DEVICES=0", "HF_HUB_OFFLINE=1", "LC_ALL=C", "PATH=/bin"]);
    }

    #[test]
    fn the_launch_has_the_last_word() {
        let launch = [("PATH", "/opt"), ("HF_HUB_OFFLINE", "0"), ("HF_TOKEN", "given on purpose")];
        let launch = launch.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        let all = environment([("PATH".into(), "/bin".into())].into_iter(), &launch);
        let value = |name: &str| all[&OsString::from(name)].to_str().unwrap();
        assert_eq!([value("PATH"), value("HF_HUB_OFFLINE"), value("HF_TOKEN")], ["/opt", "0", "given on purpose"]);
    }
}
