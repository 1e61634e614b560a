use serde_json::Value;

use crate::{Fault, UsageFault};

/// `json` as `fault` leaves it; faults that do not touch content leave it as it is.
pub(super) fn tamper(fault: Option<Fault>, json: Vec<u8>) -> Vec<u8> {
    match fault {
        Some(Fault::BadJson) => json[..json.len() / 2].to_vec(),
        Some(Fault::HugeEvent { bytes }) => pad(json, bytes),
        _ => json,
    }
}

/// `json` with the usage that `fault` asks for.
pub(super) fn tamper_usage(fault: Option<Fault>, json: Vec<u8>) -> Vec<u8> {
    let Some(Fault::WrongUsage(kind)) = fault else { return json };
    let Ok(mut value) = serde_json::from_slice::<Value>(&json) else { return json };
    distort(&mut value, kind);
    serde_json::to_vec(&value).unwrap_or(json)
}

fn pad(mut json: Vec<u8>, bytes: u32) -> Vec<u8> {
    if json.pop() == Some(b'}') {
        json.extend_from_slice(br#","padding":""#);
        json.resize(json.len() + usize::try_from(bytes).unwrap_or(0), b'x');
        json.extend_from_slice(br#""}"#);
    }
    json
}

/// Distorts every object under a key `usage`, at any depth of objects.
fn distort(value: &mut Value, kind: UsageFault) {
    let Some(object) = value.as_object_mut() else { return };
    if kind == UsageFault::Missing {
        object.shift_remove("usage");
    }
    for (key, member) in object {
        match member.as_object_mut() {
            Some(usage) if key == "usage" => usage.values_mut().for_each(|number| distort_number(number, kind)),
            _ => distort(member, kind),
        }
    }
}

fn distort_number(number: &mut Value, kind: UsageFault) {
    let Some(n) = number.as_i64() else { return };
    *number = match kind {
        UsageFault::Off => (n + 1_000_000).into(),
        UsageFault::Negative => (-n - 1).into(),
        UsageFault::Strings => n.to_string().into(),
        UsageFault::Huge => 10_000_000_000_000_000_000_u64.into(),
        UsageFault::Missing => Value::Null,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(kind: UsageFault, json: &str) -> String {
        String::from_utf8(tamper_usage(Some(Fault::WrongUsage(kind)), json.into())).unwrap()
    }

    #[test]
    fn usage_is_wrong_in_the_way_asked_for() {
        let json = r#"{"usage":{"a":1,"d":null},"response":{"usage":{"a":2}}}"#;
        let all = [UsageFault::Off, UsageFault::Negative, UsageFault::Strings, UsageFault::Missing, UsageFault::Huge];
        let seen = all.map(|kind| with(kind, json));
        assert_eq!(seen[0], r#"{"usage":{"a":1000001,"d":null},"response":{"usage":{"a":1000002}}}"#);
        assert_eq!(seen[1], r#"{"usage":{"a":-2,"d":null},"response":{"usage":{"a":-3}}}"#);
        assert_eq!(seen[2], r#"{"usage":{"a":"1","d":null},"response":{"usage":{"a":"2"}}}"#);
        assert_eq!(seen[3], r#"{"response":{}}"#);
        assert!(seen[4].contains("10000000000000000000"));
    }

    #[test]
    fn padding_keeps_it_json_and_half_of_it_does_not() {
        let json = br#"{"a":1}"#.to_vec();
        let huge = tamper(Some(Fault::HugeEvent { bytes: 5000 }), json.clone());
        assert!(huge.len() > 5000);
        assert!(serde_json::from_slice::<Value>(&huge).is_ok());
        assert!(serde_json::from_slice::<Value>(&tamper(Some(Fault::BadJson), json.clone())).is_err());
        assert_eq!(tamper(None, json.clone()), json);
    }
}
