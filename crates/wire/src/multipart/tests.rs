use proptest::prelude::*;

use super::*;

const TYPE: &str = "multipart/form-data; boundary=b1";

fn read(frames: &[&[u8]]) -> Result<FormReader, FormError> {
    let mut reader = FormReader::new(TYPE)?;
    frames.iter().try_for_each(|frame| reader.push(frame))?;
    reader.finish()?;
    Ok(reader)
}

fn part(disposition: &str, value: &str) -> String {
    format!("--b1\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n")
}

fn form(parts: &[(&str, &str)]) -> String {
    parts.iter().map(|(disposition, value)| part(disposition, value)).collect::<String>() + "--b1--\r\n"
}

fn refused(body: &str) -> FormError {
    read(&[body.as_bytes()]).err().unwrap_or_else(|| panic!("not refused: {body:?}"))
}

#[test]
fn fields_are_found_behind_a_file_too() {
    let file = "RIFF\r\n--b\r\n--\r\n\r\n";
    let body = form(&[("name=\"file\"; filename=\"a\\\"b;.wav\"", file), ("name=model", "a/ü"), ("name=\"n\"", "2")]);
    let reader = read(&[body.as_bytes()]).unwrap();
    let model = reader.field("model").unwrap();
    let span = usize::try_from(model.span.start).unwrap()..usize::try_from(model.span.end).unwrap();
    assert_eq!((model.value.as_str(), &body[span]), ("a/ü", "a/ü"));
    assert_eq!(reader.field("n").unwrap().value, "2");
    assert_eq!((reader.file_bytes(), reader.file_head()), (file.len() as u64, file.as_bytes()));
    assert_eq!(reader.field("stream"), None);
}

#[test]
fn a_part_that_is_put_in_front_is_read() {
    let reader = FormReader::new(TYPE).unwrap();
    let body = [reader.part("model", "x"), form(&[("name=\"file\"; filename=\"a\"", "f")]).into_bytes()].concat();
    assert_eq!(read(&[&body]).unwrap().field("model").unwrap().value, "x");
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    use FormError::{Duplicate, Malformed, NotText};
    assert_eq!(refused(&form(&[("name=\"model\"", "a"), ("name=\"model\"", "b")])), Duplicate("model"));
    assert_eq!(refused(&form(&[("name=\"stream\"", "1"), ("name=stream", "0")])), Duplicate("stream"));
    assert_eq!(refused(&form(&[("name=\"model\"; filename=\"m\"", "a")])), NotText("model"));
    assert_eq!(refused(&form(&[("name=\"model\"", &"x".repeat(5_000))])), NotText("model"));
    for disposition in [
        "name=\"model\"; name=\"x\"",
        "name=\"x\"; name*=utf-8''model",
        "name*0=\"mod\"; name*1=\"el\"; name=\"x\"",
        "name=\"mod\\el\"",
        "name=\"mod%65l\"",
        "name=\"model",
        "name=\"x\" model",
        "filename=\"a\"",
        "name='model'",
        "a=\"x; name=model\"; name=\"b\"",
        "filename=\"x; name=model\"; name=\"b\"",
        "name=\"b\"; filename=\"x;  NAME=model\"",
        "name=\"b\"; filename=\"x\\\"; name=\\\"model\"",
    ] {
        assert!(matches!(refused(&form(&[(disposition, "a")])), Malformed(_)), "{disposition}");
    }
    let encoded = "--b1\r\nContent-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==\r\n--b1--";
    assert_eq!(refused(encoded), NotText("model"));
    assert_eq!(
        refused(&encoded.replace("Transfer-Encoding: base64", "Type: text/plain; charset=utf-16")),
        NotText("model")
    );
}

#[test]
fn what_is_no_form_is_refused() {
    let good = form(&[("name=\"model\"", "a")]);
    for body in [
        String::new(),
        "--b1--\r\n".into(),
        good.replace("--b1--\r\n", ""),
        good.replace("--b1--", "--b1-"),
        format!("preamble\r\n{good}"),
        format!("{good}epilogue"),
        format!("{good}{good}"),
        good.replacen("--b1\r\n", "--b1 \r\n", 1),
        good.replacen("--b1\r\n", "--b1\n", 1),
        good.replace("Content-Disposition", "Content-Disposition "),
        good.replace("Content-Disposition: form-data; name", "X: y\r\n folded: name"),
        good.replace("form-data", "attachment"),
        good.replace("Content-Disposition", "Other"),
        good.replace("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "y".repeat(9_000))),
        good.replace("\r\n\r\n", "\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n"),
        form(&vec![("name=\"x\"", ""); 1_001]),
    ] {
        assert!(matches!(refused(&body), FormError::Malformed(_)), "{body:.200}");
    }
    read(&[good.as_bytes()]).unwrap();
}

#[test]
fn only_forms_with_one_good_boundary_are_read() {
    for content_type in ["multipart/form-data; boundary=b1", "Multipart/Form-Data;charset=utf-8; boundary=\"b1\""] {
        assert_eq!(boundary(content_type).as_deref(), Some("b1"), "{content_type}");
    }
    for content_type in [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"b1",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary*0=a; boundary*1=b",
        "multipart/mixed; boundary=b1",
        "multipart/form-data; charset=utf-16; boundary=b1",
        "multipart/form-data; boundary=b\u{1}",
    ] {
        assert_eq!(boundary(content_type), None, "{content_type:?}");
    }
}

#[test]
fn an_endless_head_is_not_held() {
    let mut reader = FormReader::new(TYPE).unwrap();
    reader.push(b"--b1\r\n").unwrap();
    let failed = (0..2 * MAX_HEAD_BYTES).position(|_| reader.push(b"x").is_err());
    assert!(failed.is_some_and(|at| at <= MAX_HEAD_BYTES + 1), "{failed:?}");
}

proptest! {
    #[test]
    fn any_chunking_reads_the_same(
        pieces in prop::collection::vec("(--b1|--b1--|\r\n|\r|-|--|x|name=model|Content-Disposition: form-data; name=\"(model|n|f)\"(; filename=\"q\")?|\r\n\r\n)", 0..24),
        valid in prop::bool::ANY,
        value in "[a-z\r\n-]{0,12}",
        cuts in prop::collection::vec(0_usize..400, 0..16),
    ) {
        let body = if valid {
            form(&[("name=\"f\"; filename=\"a\"", &pieces.concat().replace("b1", "b2")), ("name=\"n\"", &value)])
        } else {
            format!("--b1\r\n{}", pieces.concat())
        };
        let bytes = body.as_bytes();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.sort_unstable();
        let mut frames = Vec::new();
        let mut at = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            frames.push(&bytes[at..cut]);
            at = cut;
        }
        let seen = |frames: &[&[u8]]| {
            read(frames).map(|reader| (reader.fields.clone(), reader.file_bytes, reader.file_head.clone()))
        };
        let whole = seen(&[bytes]);
        prop_assert_eq!(seen(&frames), whole.clone());
        if valid {
            let fields = whole.unwrap().0;
            prop_assert_eq!(fields[2].as_ref().unwrap().value.as_str(), value.as_str());
        }
    }
}
