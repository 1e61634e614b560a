//! What holds for every operation of its kind, said once: the refusals that come before any handler.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::{ContentBuilder, Header, OpenApi, Ref, RefOr};

const PROBLEM: &str = "application/problem+json";

/// Adds to every operation the answers that it can get without its handler knowing.
pub(in crate::api) fn complete(mut description: OpenApi) -> OpenApi {
    for (path, item) in &mut description.paths.paths {
        let names_something = path.contains('{');
        for (operation, changes) in operations(item) {
            for (status, text) in refusals(operation, changes, names_something) {
                let absent = || RefOr::T(refusal(status, text));
                operation.responses.responses.entry(status.to_owned()).or_insert_with(absent);
            }
        }
    }
    description
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&mut Operation, bool)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    let all = [(get, false), (put, true), (post, true), (delete, true), (patch, true)];
    all.into_iter().filter_map(|(operation, changes)| Some((operation.as_mut()?, changes)))
}

fn refusals(operation: &Operation, changes: bool, names_something: bool) -> Vec<(&'static str, &'static str)> {
    let has_body = operation.request_body.is_some();
    let has_parameters = operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty());
    let all = [
        (has_body || has_parameters, "400", "it cannot be read"),
        (true, "401", "nobody is logged in, or what was presented is not known"),
        (
            true,
            "403",
            if changes {
                "the role or the scopes do not allow it, or it was forged"
            } else {
                "the scopes do not allow it"
            },
        ),
        (names_something, "404", "there is no such thing"),
        (has_body, "413", "the body is too large"),
        (has_body, "415", "the body is not JSON"),
        (true, "421", "it is addressed to somebody else"),
        (has_body || has_parameters, "422", "a field is unfit; `errors` names it"),
        (true, "500", "the service failed; its log says more"),
        (true, "503", "the store cannot be used now"),
    ];
    all.into_iter().filter(|(applies, ..)| *applies).map(|(_, status, text)| (status, text)).collect()
}

fn refusal(status: &str, text: &str) -> Response {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new().description(text).content(PROBLEM, problem);
    let seconds = Header::new(Object::with_type(Type::Integer));
    if status == "503" { response.header("retry-after", seconds).build() } else { response.build() }
}
