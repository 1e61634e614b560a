use crate::{Requests, fault::Scope, limits};

pub(super) fn check(here: &mut Scope<'_>, requests: &Requests) {
    let Requests { max_body_bytes, max_response_bytes, max_buffered_bytes } = requests;
    let (least, most) = limits::BODY_BYTES.into_inner();
    let fields = [
        ("max_body_bytes", max_body_bytes),
        ("max_response_bytes", max_response_bytes),
        ("max_buffered_bytes", max_buffered_bytes),
    ];
    for (index, (field, value)) in fields.into_iter().enumerate() {
        if !limits::BODY_BYTES.contains(value) {
            here.field(field).fault(format!("{field} is {value}; give {least} to {most} bytes"));
        } else if index < 2 && value > max_buffered_bytes {
            let message = format!("{field} is {value}, more than max_buffered_bytes ({max_buffered_bytes}) lets in");
            here.field(field).fault(message);
        }
    }
}
