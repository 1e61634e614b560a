/// What a stretch of an engine's log says about why it failed.
struct Sign {
    /// Any of these in a line, as the programs write them.
    marks: &'static [&'static str],
    /// What it means and what to do.
    hint: &'static str,
}

/// The causes that can be told apart, the most telling first: what follows a cause in a log is often its consequence.
const SIGNS: [Sign; 9] = [
    Sign {
        // torch, CUDA, ROCm, llama.cpp
        marks: &[
            "CUDA out of memory",
            "OutOfMemoryError",
            "CUDA error: out of memory",
            "HIP out of memory",
            "cudaMalloc failed",
        ],
        hint: "out of GPU memory: give it more GPUs, a smaller context (`max_model_len`) or quantization, or free the GPU",
    },
    Sign {
        // vLLM, when nothing is left for the cache, or too little for one request
        marks: &[
            "No available memory for the cache blocks",
            "larger than the available KV cache memory",
            "is larger than the maximum number of tokens that can be stored in KV cache",
        ],
        hint: "out of GPU memory for the KV cache: lower `max_model_len`, raise `--gpu-memory-utilization`, or add GPUs",
    },
    Sign {
        // vLLM, when another program holds the memory
        marks: &["less than desired GPU memory utilization"],
        hint: "the GPU's memory is taken by another program: stop that, or lower `--gpu-memory-utilization`",
    },
    Sign {
        marks: &["Cannot allocate memory", "std::bad_alloc", "MemoryError"],
        hint: "out of the machine's own memory (not the GPU's)",
    },
    Sign {
        // Python, Node.js and uvicorn, llama.cpp
        marks: &["ddress already in use", "EADDRINUSE", "couldn't bind to server socket"],
        hint: "its port or socket is in use by another program; the next start takes another port",
    },
    Sign {
        // Engines run offline: what is not in the cache cannot be loaded.
        marks: &[
            "OfflineModeIsEnabled",
            "offline mode is enabled",
            "outgoing traffic has been disabled",
            "LocalEntryNotFoundError",
            "couldn't connect to 'https://huggingface.co'",
        ],
        hint: "the model is not in the local Hugging Face cache, and engines run offline: fetch it with `enginehouse hub pull`, or set `env: { HF_HUB_OFFLINE: \"0\" }`",
    },
    Sign {
        marks: &[
            "no CUDA-capable device",
            "Found no NVIDIA driver",
            "CUDA driver version is insufficient",
            "Failed to infer device type",
        ],
        hint: "it found no usable GPU: check the driver, and the GPUs that it was given",
    },
    Sign {
        marks: &["command not found", ": not found", "No module named"],
        hint: "a program or Python module that its command needs is not installed (or not in `PATH`)",
    },
    Sign {
        marks: &["unrecognized arguments", "invalid choice", "unexpected argument"],
        hint: "it does not know one of its arguments: check `command` and `args` against its version",
    },
];

/// Why an engine failed, in words for people, if the end of its log tells.
pub fn failure_hint(log_tail: &str) -> Option<String> {
    let found = SIGNS.iter().find(|sign| sign.marks.iter().any(|mark| log_tail.contains(mark)))?;
    Some(found.hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_engines_say() {
        for (line, words) in [
            (
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total",
                "out of GPU memory",
            ),
            (
                "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
                "KV cache",
            ),
            (
                "ValueError: Free memory on device (3.1/79.1 GiB) on startup is less than desired GPU memory utilization (0.9)",
                "another program",
            ),
            ("OSError: [Errno 98] Address already in use", "in use"),
            (
                "[Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use",
                "in use",
            ),
            (
                "huggingface_hub.errors.OfflineModeIsEnabled: Cannot reach https://huggingface.co/api",
                "local Hugging Face cache",
            ),
            ("sh: 1: vllm: not found", "not installed"),
            ("bash: line 1: vllm: command not found", "not installed"),
            ("/usr/bin/python3: No module named vllm", "not installed"),
            ("vllm: error: unrecognized arguments: --frobnicate", "arguments"),
            ("RuntimeError: Failed to infer device type", "no usable GPU"),
        ] {
            let hint = failure_hint(&format!("INFO starting\n{line}\nRuntimeError: engine died\n")).unwrap();
            assert!(hint.contains(words), "{line}: {hint}");
        }
        assert_eq!(failure_hint("INFO: Application startup complete.\nINFO: Shutting down\n"), None);
    }

    #[test]
    fn the_cause_goes_before_its_consequence() {
        let log = "torch.OutOfMemoryError: CUDA out of memory.\nOSError: [Errno 98] Address already in use";
        assert!(failure_hint(log).unwrap().contains("GPU memory"));
    }
}
