use spec::Document;

use crate::{Body, Facts, timeouts};

/// A whole configuration of nginx. What it includes of the system's own is nothing, so that it can be checked and run
/// as it is; what the operator adds lies beside it, and need not be there.
pub(crate) fn render(document: &Document, facts: &Facts<'_>) -> Body {
    let (upstream, seconds) = (facts.client_here(), timeouts::at_the_edge(document));
    let body = document.requests.max_body_bytes;
    Body::plain(format!(
        "worker_processes auto;
worker_rlimit_nofile 65536;

events {{
    worker_connections 16384;
}}

http {{
    upstream enginehouse {{
        server {upstream};
        keepalive 256;
        keepalive_timeout 60s;
    }}

    # A WebSocket asks for an upgrade; any other request leaves the connection open for the next one.
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        \"\" \"\";
    }}

    server_tokens off;
    gzip off;
    merge_slashes off;
    client_max_body_size {body};
    client_body_timeout {seconds}s;
    send_timeout {seconds}s;

{server}
}}
",
        server = server(seconds),
    ))
}

fn server(seconds: u64) -> String {
    format!(
        "    server {{
        listen 80 default_server;
        server_name _;
        # The operator's own, which no apply writes: a port with TLS, certificates, a redirect from here.
        include enginehouse.d/*.conf;

        # For the operator: the admin port has them, and it is not published.
        location ~* ^/(ui|api|metrics)(/|$) {{
            return 404;
        }}

        location / {{
            proxy_pass http://enginehouse;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;

            # Tokens go out as they come, and so do uploads.
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_cache off;
            proxy_connect_timeout 5s;
            proxy_send_timeout {seconds}s;
            proxy_read_timeout {seconds}s;
            # A request that an engine has begun must not be sent again.
            proxy_next_upstream off;
        }}
    }}"
    )
}
