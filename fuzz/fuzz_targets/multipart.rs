//! A form: understood alike however it is cut, and each field stands where it is said to. The first byte says how it is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{FormError, FormReader};

const TYPE: &str = "multipart/form-data; boundary=b1";

fuzz_target!(|input: &[u8]| {
    let Some((&size, body)) = input.split_first() else { return };
    // A content type of its own, whatever it is, must not panic.
    let _ = std::str::from_utf8(body).map(FormReader::new);
    let (whole, cut) = (read(body, body.len().max(1)), read(body, usize::from(size).max(1)));
    match (whole, cut) {
        (Ok(whole), Ok(cut)) => {
            for name in ["model", "stream", "n", "response_format"] {
                assert_eq!(whole.field(name), cut.field(name));
                if let Some(field) = whole.field(name) {
                    let span = field.span.start as usize..field.span.end as usize;
                    assert_eq!(body[span], *field.value.as_bytes());
                }
            }
            assert_eq!((whole.file_bytes(), whole.file_head()), (cut.file_bytes(), cut.file_head()));
        }
        (Err(_), Err(_)) => {}
        (whole, cut) => panic!("one way of cutting is refused: {:?} {:?}", whole.err(), cut.err()),
    }
});

fn read(body: &[u8], size: usize) -> Result<FormReader, FormError> {
    let mut reader = FormReader::new(TYPE)?;
    body.chunks(size).try_for_each(|frame| reader.push(frame))?;
    reader.finish()?;
    Ok(reader)
}
