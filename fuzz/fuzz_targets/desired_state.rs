//! A desired state: refused with a message, or read, checked and written back the same. The first bit says YAML or JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spec::{Format, diff, items, parse, to_json, to_yaml, validate, warnings};

fuzz_target!(|input: &[u8]| {
    let Some((&first, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let format = if first & 1 == 0 { Format::Yaml } else { Format::Json };
    let document = match parse(text, format) {
        Ok(document) => document,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    if let Err(faults) = validate(&document) {
        assert!(faults.into_vec().iter().all(|fault| !fault.message.is_empty()));
        return;
    }
    let _ = (warnings(&document), items(&document));
    for (written, format) in [(to_yaml(&document), Format::Yaml), (to_json(&document), Format::Json)] {
        let written = written.expect("a valid document can be written");
        let again = parse(&written, format).expect("what we write we read");
        assert!(diff(&document, &again).is_empty(), "{written}");
    }
});
