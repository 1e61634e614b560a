use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Bytes in front of a safetensors header that say how long it is.
const PREFIX: usize = 8;
/// Under which name a file says something of itself.
const METADATA: &str = "__metadata__";
/// The format's own bound on a header (safetensors, `MAX_HEADER_SIZE`).
const MOST_HEADER: u64 = 100_000_000;

/// The weights of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    /// Numbers in them, as they are stored: packed ones count as what they are packed in.
    pub numbers: u64,
    /// Bytes that they take.
    pub bytes: u64,
}

/// In how many bits weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantization {
    /// 16 bits.
    None,
    /// 8 bits, one scale a channel or a tensor.
    Fp8,
    /// 8 bits (bitsandbytes `LLM.int8()`, GPTQ with 8 bits).
    Int8,
    /// 4 bits, a 16-bit scale and a 4-bit zero for every 128 numbers: AWQ and GPTQ with their usual group size (AWQ,
    /// arXiv 2306.00978, section 4.1: "group size 128").
    Int4,
    /// 4 bits, a 32-bit scale for every 64 numbers, itself kept in 8 bits a 256: NF4 with double quantization, 0.127 bits more
    /// a number (`QLoRA`, arXiv 2305.14314, section 3).
    Nf4,
    /// 4 bits, an 8-bit scale for every 32 numbers: OCP Microscaling Formats 1.0, table 1.
    Mxfp4,
    /// 4 bits, an 8-bit scale for every 16 numbers (NVIDIA, "Introducing NVFP4").
    Nvfp4,
}

/// What was read is no safetensors header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It ends before it should.
    #[error("the safetensors header is cut off: {needed} bytes are needed, {got} are there")]
    Short {
        /// Bytes.
        needed: u64,
        /// Bytes.
        got: u64,
    },
    /// It says that it is longer than the format allows.
    #[error(
        "the safetensors header says that it has {0} bytes, more than the format allows: is it a safetensors file?"
    )]
    Long(u64),
    /// It is no list of tensors.
    #[error("the safetensors header cannot be read: {0}")]
    Odd(String),
}

#[derive(Debug, Deserialize)]
struct Tensor {
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

// === impl Weights ===

impl Weights {
    /// From the beginning of a safetensors file, at least [`header_length`] bytes of it.
    pub fn of_header(file: &[u8]) -> Result<Self, HeaderError> {
        let length = header_length(file)?;
        let got = file.len() as u64;
        let end = usize::try_from(length).ok().filter(|_| length <= got);
        let end = end.ok_or(HeaderError::Short { needed: length, got })?;
        let unreadable = |error: serde_json::Error| HeaderError::Odd(error.to_string());
        let entries: BTreeMap<String, Value> = serde_json::from_slice(&file[PREFIX..end]).map_err(unreadable)?;
        let mut weights = Self::default();
        for (name, entry) in entries.iter().filter(|(name, _)| *name != METADATA) {
            let Tensor { shape, data_offsets: (from, to) } = Tensor::deserialize(entry).map_err(unreadable)?;
            let odd = || HeaderError::Odd(format!("the size of {name} makes no sense"));
            let numbers = shape.iter().try_fold(1_u64, |product, side| product.checked_mul(*side)).ok_or_else(odd)?;
            let bytes = to.checked_sub(from).ok_or_else(odd)?;
            weights.numbers = weights.numbers.checked_add(numbers).ok_or_else(odd)?;
            weights.bytes = weights.bytes.checked_add(bytes).ok_or_else(odd)?;
        }
        Ok(weights)
    }

    /// From a number of parameters. All count as quantized, though embeddings often are not: what quantized weights take is
    /// a lower bound then.
    pub fn of_parameters(parameters: u64, quantization: Quantization) -> Self {
        let millibits = u128::from(parameters) * u128::from(quantization.millibits());
        let bytes = u64::try_from(millibits.div_ceil(8_000)).unwrap_or(u64::MAX);
        Self { numbers: parameters, bytes }
    }

    /// Those of several files.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { numbers: self.numbers.saturating_add(other.numbers), bytes: self.bytes.saturating_add(other.bytes) }
    }
}

// === impl Quantization ===

impl Quantization {
    /// Thousandths of a bit that a number takes, its share of the scales included.
    const fn millibits(self) -> u64 {
        match self {
            Self::None => 16_000,
            Self::Fp8 | Self::Int8 => 8_000,
            // (16 + 4) / 128 = 0.156
            Self::Int4 => 4_156,
            Self::Nf4 => 4_127,
            // 8 / 32 = 0.25
            Self::Mxfp4 => 4_250,
            // 8 / 16 = 0.5
            Self::Nvfp4 => 4_500,
        }
    }
}

/// Bytes of a safetensors file that its header takes, the number in front of it included. Needs the first 8 bytes.
pub fn header_length(file: &[u8]) -> Result<u64, HeaderError> {
    let short = || HeaderError::Short { needed: PREFIX as u64, got: file.len() as u64 };
    let prefix = file.first_chunk::<PREFIX>().ok_or_else(short)?;
    let length = u64::from_le_bytes(*prefix);
    if length > MOST_HEADER { Err(HeaderError::Long(length)) } else { Ok(length + PREFIX as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
    }

    #[test]
    fn a_header_tells_what_the_weights_take() {
        let header = r#"{"__metadata__": {"format": "pt"},
            "a": {"dtype": "BF16", "shape": [10, 20], "data_offsets": [0, 400]},
            "b": {"dtype": "F32", "shape": [], "data_offsets": [400, 404]}}"#;
        let mut bytes = file(header);
        bytes.extend([0; 50]);
        assert_eq!(Weights::of_header(&bytes), Ok(Weights { numbers: 201, bytes: 404 }));
        assert_eq!(header_length(&bytes), Ok(8 + header.len() as u64));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        assert!(matches!(Weights::of_header(b"short"), Err(HeaderError::Short { .. })));
        assert!(matches!(Weights::of_header(&file("{}")[..9]), Err(HeaderError::Short { needed: 10, got: 9 })));
        assert!(matches!(Weights::of_header(b"<!DOCTYPE html><html>"), Err(HeaderError::Long(_))));
        for header in [
            "[]",
            "{",
            r#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}"#,
            r#"{"a": {"dtype": "F32", "shape": [18446744073709551615, 2], "data_offsets": [0, 8]}}"#,
            r#"{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]}}"#,
        ] {
            assert!(matches!(Weights::of_header(&file(header)), Err(HeaderError::Odd(_))), "{header}");
        }
    }

    #[test]
    fn bits_of_a_number_include_its_scales() {
        let bytes = |quantization| Weights::of_parameters(8_000_000_000, quantization).bytes;
        assert_eq!(bytes(Quantization::None), 16_000_000_000);
        assert_eq!(bytes(Quantization::Fp8), 8_000_000_000);
        assert_eq!(bytes(Quantization::Int4), 4_156_000_000);
        assert_eq!(bytes(Quantization::Mxfp4), 4_250_000_000);
        assert_eq!(Weights::of_parameters(u64::MAX, Quantization::None).bytes, u64::MAX);
    }
}
