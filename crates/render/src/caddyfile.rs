use spec::Document;

use crate::{Body, Facts, timeouts};

pub(crate) fn render(document: &Document, facts: &Facts<'_>) -> Body {
    let (upstream, seconds) = (facts.client_here(), timeouts::at_the_edge(document));
    let body = document.requests.max_body_bytes;
    // `caddy fmt` indents with tabs.
    Body::plain(format!(
        "{{$ENGINEHOUSE_SITE:localhost}} {{
\t# For the operator: the admin port has them, and it is not published.
\t@private path /ui /ui/* /api /api/* /metrics /metrics/*
\thandle @private {{
\t\trespond 404
\t}}

\thandle {{
\t\trequest_body {{
\t\t\tmax_size {body}
\t\t}}
\t\treverse_proxy {upstream} {{
\t\t\t# Tokens go out as they come.
\t\t\tflush_interval -1
\t\t\ttransport http {{
\t\t\t\tdial_timeout 5s
\t\t\t\tresponse_header_timeout {seconds}s
\t\t\t\tread_timeout {seconds}s
\t\t\t\twrite_timeout {seconds}s
\t\t\t\tkeepalive 60s
\t\t\t\tkeepalive_idle_conns_per_host 256
\t\t\t}}
\t\t}}
\t}}
}}
"
    ))
}
