//! Small PNG files, uncompressed, of two colours.

/// Largest width and height, in pixels.
pub(super) const LARGEST: u32 = 2048;

/// Most bytes of a stored deflate block.
const BLOCK: usize = 65_535;

/// A picture of two colours; `dark` says which pixels have the second.
pub(super) fn two_colours(width: u32, height: u32, colours: [[u8; 3]; 2], dark: impl Fn(u32, u32) -> bool) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend_from_slice(&width.to_be_bytes());
    header.extend_from_slice(&height.to_be_bytes());
    // One bit per pixel, palette, deflate, adaptive filters, not interlaced.
    header.extend_from_slice(&[1, 3, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, *b"IHDR", &header);
    chunk(&mut file, *b"PLTE", &colours.concat());
    chunk(&mut file, *b"IDAT", &stored(&rows(width, height, dark)));
    chunk(&mut file, *b"IEND", &[]);
    file
}

/// The filter byte and the packed pixels of each row.
fn rows(width: u32, height: u32, dark: impl Fn(u32, u32) -> bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for y in 0..height {
        bytes.push(0);
        for byte in 0..width.div_ceil(8) {
            let bit = |i: u32| u8::from(dark(byte * 8 + i, y)) << (7 - i);
            bytes.push((0..8).map(bit).fold(0, |all, bit| all | bit));
        }
    }
    bytes
}

fn chunk(file: &mut Vec<u8>, name: [u8; 4], data: &[u8]) {
    file.extend_from_slice(&u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
    let start = file.len();
    file.extend_from_slice(&name);
    file.extend_from_slice(data);
    let sum = crc32(&file[start..]);
    file.extend_from_slice(&sum.to_be_bytes());
}

/// A zlib stream of stored blocks.
fn stored(data: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let blocks = data.chunks(BLOCK).count();
    for (index, block) in data.chunks(BLOCK).enumerate() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.push(u8::from(index + 1 == blocks));
        stream.extend_from_slice(&length.to_le_bytes());
        stream.extend_from_slice(&(!length).to_le_bytes());
        stream.extend_from_slice(block);
    }
    stream.extend_from_slice(&adler32(data).to_be_bytes());
    stream
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

fn adler32(bytes: &[u8]) -> u32 {
    let step = |(a, b): (u32, u32), byte: &u8| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    };
    let (a, b) = bytes.iter().fold((1, 0), step);
    (b << 16) | a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_known_ones() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn pixels_are_packed_by_row() {
        assert_eq!(rows(9, 2, |x, y| x == 0 || (x == 8 && y == 1)), [0, 0x80, 0, 0, 0x80, 0x80]);
    }
}
