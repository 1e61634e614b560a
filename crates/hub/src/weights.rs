//! Which files of a repository hold weights, and which of these an engine reads: many repositories have the same weights in
//! several formats, each of which takes gigabytes.

use std::collections::BTreeSet;

/// Endings of files with weights.
const WEIGHTS: [&str; 12] =
    ["bin", "ckpt", "gguf", "h5", "msgpack", "onnx", "ot", "pt", "pth", "safetensors", "tflite", "nemo"];
/// What engines read first.
const BEST: &str = "safetensors";
/// Folders with the weights as their authors trained them, beside the same for others.
const ORIGINALS: [&str; 2] = ["original/", "metal/"];

/// Whether a file holds weights.
pub(crate) fn is_weights(path: &str) -> bool {
    extension(path).is_some_and(|extension| WEIGHTS.contains(&extension))
}

/// With its slash; empty at the top.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..=at])
}

/// Tells which of the paths an engine does not read: weights beside safetensors, and what authors keep besides.
pub(crate) fn superfluous<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> BTreeSet<String> {
    let best: BTreeSet<_> = paths.clone().filter(|path| extension(path) == Some(BEST)).map(folder_of).collect();
    let has_more = paths.clone().any(|path| is_weights(path) && !is_original(path));
    let is_beside = |path: &str| {
        is_weights(path) && extension(path) != Some(BEST) && best.contains(folder_of(path))
            || has_more && is_original(path)
    };
    paths.filter(|path| is_beside(path)).map(str::to_owned).collect()
}

fn is_original(path: &str) -> bool {
    ORIGINALS.iter().any(|folder| path.starts_with(folder))
}

fn extension(path: &str) -> Option<&str> {
    Some(path.rsplit_once('.')?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_come_in_one_format() {
        let left_out = |paths: &[&str]| superfluous(paths.iter().copied()).into_iter().collect::<Vec<_>>();
        let several =
            ["config.json", "model.safetensors", "pytorch_model.bin", "original/consolidated.00.pth", "m.gguf"];
        assert_eq!(left_out(&several), ["m.gguf", "original/consolidated.00.pth", "pytorch_model.bin"]);
        assert_eq!(left_out(&["config.json", "pytorch_model.bin"]), [""; 0]);
        assert_eq!(left_out(&["unet/a.safetensors", "vae/b.bin", "unet/a.bin"]), ["unet/a.bin"]);
        assert_eq!(left_out(&["original/a.pth", "params.json"]), [""; 0]);
    }
}
