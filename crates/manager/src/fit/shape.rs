use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use fit::{Architecture, ConfigError, HeaderError, Quantization, Weights, header_length};
use hub::Look;
use serde_json::Value;
use spec::ModelType;

use super::options::Options;

/// What says how a model is built.
pub(super) const CONFIG: &str = "config.json";
/// What says in which files its weights are.
pub(super) const INDEX: &str = "model.safetensors.index.json";
/// Bytes that these may have.
const MAX_JSON: u64 = 32 << 20;
/// Files that the weights may be in.
const MAX_FILES: usize = 2_000;

/// What is known of a model before it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) architecture: Architecture,
    weights: Weights,
    /// Whether the weights are stored as they are computed with.
    is_quantized: bool,
}

/// Nothing can be said about a model.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShapeError {
    #[error("{0} cannot be read: {1}")]
    Io(String, io::Error),
    #[error("{0} is no JSON that can be read: {1}")]
    Json(String, serde_json::Error),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("it has no weights in safetensors files")]
    NoWeights,
}

// === impl Shape ===

impl Shape {
    /// Of a model that lies in a folder: its weights are added up from the headers of its files. Blocks.
    pub(super) fn of_folder(folder: &Path) -> Result<Self, ShapeError> {
        let config = parse(CONFIG, &small(folder, CONFIG)?)?;
        let index = small(folder, INDEX).ok().map(|bytes| parse(INDEX, &bytes)).transpose()?;
        let entries = std::fs::read_dir(folder).map_err(|error| ShapeError::Io(folder.display().to_string(), error))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut weights = Weights::default();
        for name in chosen(names, index.as_ref())? {
            weights = weights.and(of_file(folder, &name)?);
        }
        Self::new(&config, weights)
    }

    /// Of a model at the Hub: the sizes of its files tell what its weights take, but for their headers.
    pub(super) fn of_look(look: &Look) -> Result<Self, ShapeError> {
        let missing = || ShapeError::Io(CONFIG.to_owned(), io::ErrorKind::NotFound.into());
        let config = parse(CONFIG, look.contents.get(CONFIG).ok_or_else(missing)?)?;
        let index = look.contents.get(INDEX).map(|bytes| parse(INDEX, bytes)).transpose()?;
        let names = look.sizes.keys().filter(|path| !path.contains('/')).cloned();
        let files = chosen(names, index.as_ref())?;
        let bytes =
            files.iter().filter_map(|name| look.sizes.get(name)).fold(0_u64, |sum, size| sum.saturating_add(*size));
        Self::new(&config, Weights { numbers: bytes / stored_bytes(&config), bytes })
    }

    fn new(config: &Value, weights: Weights) -> Result<Self, ShapeError> {
        Ok(Self {
            architecture: Architecture::read(config)?,
            weights,
            is_quantized: config.get("quantization_config").is_some_and(Value::is_object),
        })
    }

    /// The weights as the engine holds them.
    pub(super) fn weights(&self, options: &Options) -> Weights {
        let numbers = self.weights.numbers;
        match options.quantization.as_deref() {
            _ if self.is_quantized => self.weights,
            Some("fp8") => Weights::of_parameters(numbers, Quantization::Fp8),
            Some("bitsandbytes") => Weights::of_parameters(numbers, Quantization::Nf4),
            _ if options.is_float32 => Weights { numbers, bytes: numbers.saturating_mul(4) },
            // What is stored in 32 bits is computed with in 16 (`vllm/config/model.py`, `dtype: auto`).
            _ => Weights { numbers, bytes: self.weights.bytes.min(numbers.saturating_mul(2)) },
        }
    }
}

/// Whether models of a type are built as language models are.
pub(super) const fn is_language_model(model_type: ModelType) -> bool {
    !matches!(model_type, ModelType::TextToSpeech | ModelType::ImageGeneration)
}

/// The files with the weights that vLLM loads: those that the index names, else all, but not a second copy of them in
/// Mistral's own layout.
fn chosen(names: impl Iterator<Item = String>, index: Option<&Value>) -> Result<BTreeSet<String>, ShapeError> {
    let there: BTreeSet<_> = names.filter(|name| is_weights(name)).collect();
    let indexed = index.and_then(|index| index.get("weight_map")?.as_object());
    let indexed: Option<BTreeSet<_>> =
        indexed.map(|map| map.values().filter_map(|name| name.as_str().map(str::to_owned)).collect());
    let has_usual = there.iter().any(|name| name.starts_with("model"));
    let of_index = |name: &String| indexed.as_ref().is_none_or(|indexed| indexed.contains(name));
    let is_copy = |name: &String| has_usual && name.starts_with("consolidated");
    let files: BTreeSet<_> =
        there.iter().filter(|name| of_index(name) && !is_copy(name)).take(MAX_FILES).cloned().collect();
    if files.is_empty() { Err(ShapeError::NoWeights) } else { Ok(files) }
}

fn is_weights(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "safetensors")
}

fn of_file(folder: &Path, name: &str) -> Result<Weights, ShapeError> {
    let io = |error| ShapeError::Io(name.to_owned(), error);
    let mut file = open(folder, name).map_err(io)?;
    let mut bytes = [0; 8].to_vec();
    file.read_exact(&mut bytes).map_err(io)?;
    let length = header_length(&bytes)?;
    file.take(length.saturating_sub(8)).read_to_end(&mut bytes).map_err(io)?;
    Ok(Weights::of_header(&bytes)?)
}

fn small(folder: &Path, name: &str) -> Result<Vec<u8>, ShapeError> {
    let io = |error| ShapeError::Io(name.to_owned(), error);
    let mut bytes = Vec::new();
    open(folder, name).and_then(|file| file.take(MAX_JSON).read_to_end(&mut bytes)).map_err(io)?;
    Ok(bytes)
}

/// Only a plain file: to open another thing could wait for ever.
fn open(folder: &Path, name: &str) -> io::Result<File> {
    let path = folder.join(name);
    if std::fs::metadata(&path)?.is_file() { File::open(path) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

fn parse(name: &str, bytes: &[u8]) -> Result<Value, ShapeError> {
    serde_json::from_slice(bytes).map_err(|error| ShapeError::Json(name.to_owned(), error))
}

/// Bytes in which a number is stored, as the config says.
fn stored_bytes(config: &Value) -> u64 {
    let of = |config: &Value| {
        ["dtype", "torch_dtype"].iter().find_map(|name| config.get(*name)?.as_str().map(str::to_owned))
    };
    let inner = || ["text_config", "llm_config"].iter().find_map(|name| of(config.get(*name)?));
    match of(config).or_else(inner).as_deref() {
        Some("float32") => 4,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const LLAMA: &str =
        r#"{"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64, "torch_dtype": "float32"}"#;

    fn write(folder: &Path, name: &str, numbers: u64) {
        let header =
            format!(r#"{{"t": {{"dtype": "F32", "shape": [{numbers}], "data_offsets": [0, {}]}}}}"#, numbers * 4);
        let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        std::fs::write(folder.join(name), file).unwrap();
    }

    fn options(line: &str) -> Options {
        Options::read(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_folder_tells_what_its_weights_take() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(CONFIG), LLAMA).unwrap();
        assert!(matches!(Shape::of_folder(folder.path()), Err(ShapeError::NoWeights)));
        write(folder.path(), "model-1.safetensors", 1_000);
        write(folder.path(), "model-2.safetensors", 500);
        write(folder.path(), "consolidated.safetensors", 1_500);
        let shape = Shape::of_folder(folder.path()).unwrap();
        assert_eq!(shape.weights, Weights { numbers: 1_500, bytes: 6_000 });
        assert_eq!(shape.weights(&options("m")).bytes, 3_000);
        assert_eq!(shape.weights(&options("m --dtype float32")).bytes, 6_000);
        assert_eq!(shape.weights(&options("m -q fp8")).bytes, 1_500);
        std::fs::write(folder.path().join(INDEX), r#"{"weight_map": {"t": "model-2.safetensors"}}"#).unwrap();
        assert_eq!(Shape::of_folder(folder.path()).unwrap().weights.numbers, 500);
    }

    #[test]
    fn weights_that_are_quantized_already_stay_as_they_are() {
        let config = parse("", LLAMA.replace("{\"num", "{\"quantization_config\": {}, \"num").as_bytes()).unwrap();
        let shape = Shape::new(&config, Weights { numbers: 100, bytes: 60 }).unwrap();
        assert_eq!(shape.weights(&options("m --quantization fp8")).bytes, 60);
    }

    #[test]
    fn a_look_tells_it_from_sizes() {
        let sizes = [("model.safetensors", 4_000), ("onnx/model.safetensors", 9), ("README.md", 7)];
        let look = Look {
            commit: String::new(),
            sizes: sizes.map(|(name, size)| (name.to_owned(), size)).into(),
            contents: BTreeMap::from([(CONFIG.to_owned(), LLAMA.into())]),
            tags: Vec::new(),
        };
        assert_eq!(Shape::of_look(&look).unwrap().weights, Weights { numbers: 1_000, bytes: 4_000 });
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Shape::of_folder(folder.path()), Err(ShapeError::Io(..))));
        std::fs::create_dir(folder.path().join(CONFIG)).unwrap();
        assert!(matches!(Shape::of_folder(folder.path()), Err(ShapeError::Io(..))));
        std::fs::remove_dir(folder.path().join(CONFIG)).unwrap();
        std::fs::write(folder.path().join(CONFIG), "{").unwrap();
        assert!(matches!(Shape::of_folder(folder.path()), Err(ShapeError::Json(..))));
        std::fs::write(folder.path().join(CONFIG), LLAMA).unwrap();
        std::fs::write(folder.path().join("model.safetensors"), b"short").unwrap();
        assert!(matches!(Shape::of_folder(folder.path()), Err(ShapeError::Io(..))));
        std::fs::write(folder.path().join("model.safetensors"), [9; 20]).unwrap();
        assert!(matches!(Shape::of_folder(folder.path()), Err(ShapeError::Header(_))));
    }
}
