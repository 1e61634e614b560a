/// How far an engine is that starts, as its own log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it does.
    pub stage: Stage,
    /// How much of that is done, in percent, where it tells.
    pub percent: Option<u8>,
}

/// What an engine does while it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It fetches the model.
    Downloading,
    /// It reads weights.
    Loading,
    /// It compiles, measures memory and captures graphs.
    Warming,
}

/// What vLLM, its loaders and llama.cpp write, and what they do then.
const MARKS: [(&str, Stage); 17] = [
    ("Downloading shards", Stage::Downloading),
    ("Fetching ", Stage::Downloading),
    ("Downloading weights", Stage::Downloading),
    ("Starting to load model", Stage::Loading),
    ("Loading model weights", Stage::Loading),
    ("Loading safetensors checkpoint shards", Stage::Loading),
    ("Loading pt checkpoint shards", Stage::Loading),
    ("Multi-thread loading shards", Stage::Loading),
    ("load_tensors", Stage::Loading),
    ("Loading weights took", Stage::Warming),
    ("Model loading took", Stage::Warming),
    ("torch.compile", Stage::Warming),
    ("Available KV cache memory", Stage::Warming),
    ("Capturing CUDA graph", Stage::Warming),
    ("Graph capturing finished", Stage::Warming),
    ("init engine (profile", Stage::Warming),
    ("warming up the model", Stage::Warming),
];

/// What it says of something that it leaves out.
const LEFT_OUT: &str = "disabling torch.compile";

/// How far an engine is, by the end of its log: the last line that tells. Bars are drawn over and over in one line,
/// so what stands behind the last carriage return counts.
///
/// ```
/// use runtime::{Stage, progress};
///
/// let log = "INFO Starting to load model m...\nLoading safetensors checkpoint shards:  25% Completed | 1/4\n";
/// let found = progress(log).unwrap();
/// assert_eq!((found.stage, found.percent), (Stage::Loading, Some(25)));
/// ```
pub fn progress(log_tail: &str) -> Option<Progress> {
    log_tail.rsplit(['\n', '\r']).find_map(|line| {
        let (_, stage) = MARKS.iter().find(|(mark, _)| line.contains(mark) && !line.contains(LEFT_OUT))?;
        Some(Progress { stage: *stage, percent: percent(line) })
    })
}

/// The first number in front of a percent sign.
fn percent(line: &str) -> Option<u8> {
    let (front, _) = line.split_once('%')?;
    let digits = front.len() - front.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    front[front.len() - digits..].parse().ok().filter(|percent| *percent <= 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(log: &str) -> Option<(Stage, Option<u8>)> {
        progress(log).map(|progress| (progress.stage, progress.percent))
    }

    #[test]
    fn the_last_line_that_tells_counts() {
        let start = "INFO 11-21 gpu_model_runner.py:1] Starting to load model Qwen/Qwen3-8B...\n";
        assert_eq!(found(start), Some((Stage::Loading, None)));
        let bars = "Loading safetensors checkpoint shards:   0% Completed | 0/4\rLoading safetensors checkpoint shards:  50% Completed | 2/4\r";
        assert_eq!(found(&format!("{start}{bars}")), Some((Stage::Loading, Some(50))));
        let after = "INFO default_loader.py: Loading weights took 3.41 seconds\nsome other line: 99%\n";
        assert_eq!(found(&format!("{start}{bars}\n{after}")), Some((Stage::Warming, None)));
        let graphs = "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  40%|████      | 27/67 [00:01<00:02]";
        assert_eq!(found(graphs), Some((Stage::Warming, Some(40))));
        let eager = "WARNING 11-21 vllm.py:1703] Enforce eager set, disabling torch.compile, CUDAGraphs, and JIT kernel warmup.";
        assert_eq!(found(eager), None, "said before anything is loaded");
        assert_eq!(found("Fetching 7 files:  14%|█"), Some((Stage::Downloading, Some(14))));
    }

    #[test]
    fn a_log_that_says_nothing_of_it_is_no_progress() {
        for log in ["", "hello\n", "100% done", "GET /health 200"] {
            assert_eq!(found(log), None, "{log}");
        }
        assert_eq!(percent("Loading 300%"), None);
    }
}
