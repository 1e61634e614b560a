//! What the tests of several files render.

use spec::{Document, Format, parse};

use crate::Facts;

pub(crate) const FACTS: Facts<'static> = Facts {
    revision: 12,
    digest: "0123456789abcdef0123456789abcdef",
    client: std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 4000),
    admin: std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7860),
};

pub(crate) fn document(text: &str) -> Document {
    let document = parse(&format!("version: 1\n{text}"), Format::Yaml).unwrap();
    assert_eq!(spec::validate(&document), Ok(()));
    document
}
