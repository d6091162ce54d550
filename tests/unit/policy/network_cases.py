"""Endpoints, rules and entries of ``network_policies``: what is taken, and what is reported for what is not."""

from __future__ import annotations

GOOD_HOSTS = (
    "api.example.com",
    "localhost",
    "under_score.example.com",
    "xn--bcher-kva.example",
    "API.Example.COM",
    "10.1.2.3",
    "2001:db8::1",
    "*.example.com",
    "**.example.com",
    "*-api.example.com",
    "api-*.example.com",
    "api.*.example.com",
)

BAD_HOSTS = (
    ("https://api.example.com", "write the host only"),
    ("api.example.com/v1", "write the host only"),
    ("api.example.com:443", "write the port under 'port'"),
    ("[::1]", "write the port under 'port', and no brackets"),
    ("bücher.example", "write its xn-- form"),
    ("api..example.com", "is not a host name"),
    ("api.example.com.", "is not a host name"),
    ("-api.example.com", "is not a host name"),
    ("api example.com", "is not a host name"),
    ("a?.example.com", "is not a host name"),
    ("[ab].example.com", "and no brackets"),
    ("x" * 64 + ".example.com", "is not a host name"),
    (".".join(["abcdefg"] * 32), "is not a host name"),
    ("127.1", "is not a host name"),
    ("10.0.0.256", "is not a host name"),
    ("1.0x7f", "is not a host name"),
    ("*", "covers too much"),
    ("**", "covers too much"),
    ("*.com", "covers too much"),
    ("api.example.*", "covers too much"),
    ("**api.example.com", "'**' must be the whole first label"),
    ("api.**.example.com", "after the first label '*' must be a whole label"),
    ("api.x*.example.com", "after the first label '*' must be a whole label"),
)

GOOD_NETWORKS = ("10.1.2.3", "10.0.0.0/8", "192.168.1.1/24", "2001:db8::/32", "fd00::1", "8.8.8.8/32")

BAD_NETWORKS = (
    ("example.com", "expected an address or network"),
    ("10.0.0.0/33", "expected an address or network"),
    ("10.0.0.0/", "expected an address or network"),
    ("10.0.0.0/-1", "expected an address or network"),
    ("10.0.0/8", "expected an address or network"),
    ("٠.0.0.0", "expected an address or network"),
    ("127.0.0.1", "contains loopback"),
    ("126.0.0.0/7", "contains loopback"),
    ("169.254.169.254", "contains link-local"),
    ("0.0.0.0/0", "contains loopback"),
    ("0.0.0.0/8", "contains unspecified"),
    ("::1", "contains loopback"),
    ("::/0", "contains loopback"),
    ("fe80::1/64", "contains link-local"),
    ("::ffff:127.0.0.1", "contains loopback"),
    ("::ffff:169.254.169.254", "contains link-local"),
)

# What stands in an endpoint beside host and port.
GOOD_ENDPOINTS = (
    "tls: terminate",
    "tls: skip, enforcement: enforce",
    "enforcement: audit",
    "access: full",
    "rules: [{allow: {method: '*', path: /**}}]",
    "protocol: tcp",
    "protocol: tcp, tls: skip, allowed_ips: [10.0.0.0/8]",
    "protocol: rest, access: read-only, tls: passthrough, enforcement: enforce, path: /v1/**",
    "protocol: rest, access: read-write, deny_rules: [{method: POST, path: /admin/**}], allow_encoded_slash: true",
    "protocol: rest, rules: [{allow: {method: get, path: '/**/info/refs*', query: {service: 'git-*'}}}]",
    "protocol: rest, rules: [{allow: {method: GET, path: /a, query: {t: {any: ['1.*', '2.*']}, u: ''}}}]",
    "protocol: rest, access: full, credential_signing: sigv4, signing_service: s3, signing_region: us-east-1",
    "protocol: rest, access: full, request_body_credential_rewrite: true, credential_binding: {provider: work}",
    "protocol: websocket, access: full, websocket_credential_rewrite: true",
    "protocol: websocket, rules: [{allow: {method: GET, path: /g}}, {allow: {operation_type: query}}]",
    "protocol: graphql, rules: [{allow: {operation_type: mutation, operation_name: 'I*', fields: [a]}}]",
    "protocol: graphql, access: full, persisted_queries: allow_registered, graphql_max_body_bytes: 1024, "
    "graphql_persisted_queries: {abc: {operation_type: query, fields: [viewer]}}",
    "protocol: mcp, mcp: {allow_all_known_mcp_methods: true}",
    "protocol: mcp, mcp: {allow_all_known_mcp_methods: true}, rules: [{allow: {tool: {any: [a, b]}}}]",
    "protocol: mcp, mcp: {versions: ['2025-03-26']}, rules: [{allow: {method: initialize}}]",
    "protocol: mcp, rules: [{allow: {method: tools/call, params: {name: a}}}], "
    "deny_rules: [{method: tools/call, tool: b}]",
    "protocol: mcp, rules: [{allow: {method: 'tools/*'}}]",
    "protocol: json-rpc, json_rpc: {max_body_bytes: 1}, rules: [{allow: {method: '*'}}], deny_rules: [{method: a.b}]",
    "allow_uninspected_credentials: true, tls: skip",
)

BAD_ENDPOINTS = (
    ("port: 443", ["'host' is missing"]),
    ("host: a.b", ["'port' is missing"]),
    ("allowed_ips: [10.0.0.0/8]", ["'port' is missing"]),
    ("host: a.b, port: 1, ports: [2]", ["ports: 'port' and 'ports' exclude each other"]),
    ("host: a.b, ports: []", ["ports: the list is empty"]),
    ("allowed_ips: [], port: 1", ["allowed_ips: the list is empty"]),
    ("host: a.b, port: 0", ["port: expected a number from 1 to 65535, found 0"]),
    ("host: a.b, port: 65536", ["port: expected a number from 1 to 65535, found 65536"]),
    ("host: a.b, port: '443'", ["port: expected a number from 1 to 65535, found the text '443' remove the quotes"]),
    ("host: 5, port: 1", ["host: expected a host name, found 5"]),
    ("host: a.b, port: 1, protocl: rest", ["protocl: unknown key did you mean 'protocol'?"]),
    ("host: a.b, port: 1, protocol: http", ["protocol: expected one of rest, websocket"]),
    ("host: a.b, port: 1, access: read-only", ["access: without 'protocol' requests are not examined"]),
    (
        "host: a.b, port: 1, rules: [{allow: {method: GET, path: /a}}]",
        ["rules: without 'protocol' requests are not examined"],
    ),
    ("host: a.b, port: 1, path: /v1", ["path: has no meaning for an endpoint without 'protocol'"]),
    (
        "host: a.b, port: 1, deny_rules: [{method: GET, path: /}]",
        ["deny_rules: has no meaning for an endpoint without"],
    ),
    ("host: a.b, port: 1, protocol: rest", ["protocol: protocol rest needs to know what is allowed"]),
    ("host: a.b, port: 1, protocol: json-rpc", ["protocol: protocol json-rpc needs to know what is allowed add rules"]),
    ("host: a.b, port: 1, protocol: mcp", ["protocol: protocol mcp needs to know"]),
    (
        "host: a.b, port: 1, protocol: mcp, access: full",
        ["access: there are no access presets for protocol mcp"],
    ),
    (
        "host: a.b, port: 1, protocol: rest, access: full, rules: [{allow: {method: GET, path: /}}]",
        ["access: 'access' and 'rules' exclude each other"],
    ),
    ("host: a.b, port: 1, protocol: rest, rules: []", ["rules: the list is empty"]),
    ("host: a.b, port: 1, protocol: rest, access: full, deny_rules: []", ["deny_rules: the list is empty"]),
    ("host: a.b, port: 1, protocol: rest, access: full, tls: skip", ["tls: requests cannot be examined"]),
    (
        "host: a.b, port: 1, protocol: rest, access: full, path: v1",
        ["path: expected a path pattern that begins with '/'"],
    ),
    ("host: a.b, port: 1, protocol: tcp, access: full", ["access: has no meaning for protocol tcp"]),
    ("host: a.b, port: 1, protocol: tcp, enforcement: audit", ["enforcement: has no meaning for protocol tcp"]),
    ("allowed_ips: [10.0.0.0/8], port: 1, protocol: tcp", ["protocol: protocol tcp needs a 'host'"]),
    ("host: a.b, port: 1, protocol: rest, access: full, mcp: {}", ["mcp: has no meaning for protocol rest"]),
    ("host: a.b, port: 1, json_rpc: {}", ["json_rpc: has no meaning for an endpoint without 'protocol'"]),
    ("host: a.b, port: 1, signing_service: s3", ["signing_service: has no meaning without credential_signing"]),
    ("host: a.b, port: 1, credential_signing: sigv4", ["credential_signing: 'signing_service' is missing"]),
    (
        "host: a.b, port: 1, protocol: rest, access: full, credential_signing: sigv4, signing_service: s3, "
        "request_body_credential_rewrite: true",
        ["request_body_credential_rewrite: cannot be combined"],
    ),
    (
        "host: a.b, port: 1, protocol: graphql, access: full, persisted_queries: allow_registered",
        ["persisted_queries: no persisted queries are registered"],
    ),
    (
        "host: a.b, port: 1, protocol: mcp, mcp: {versions: ['2024-01-01']}, rules: [{allow: {method: a}}]",
        ["versions[0]: expected one of"],
    ),
    ("host: a.b, port: 1, credential_binding: {}", ["credential_binding: 'provider' is missing"]),
)

# Rules, by protocol, as they stand in an allow.
BAD_RULES = (
    ("rest", "{path: /a}", ["'method' is missing"]),
    ("rest", "{method: GET}", ["'path' is missing"]),
    ("rest", "{method: 'GET, POST', path: /a}", ["method: expected an HTTP method or *"]),
    ("rest", "{method: GET, path: a}", ["path: expected a path pattern"]),
    ("rest", "{method: GET, path: /a, tool: x}", ["tool: rules of protocol rest have no 'tool'"]),
    (
        "rest",
        "{method: GET, path: /a, query: {x: {all: [y]}}}",
        ["query.x: 'any' is missing", "query.x.all: unknown key"],
    ),
    (
        "rest",
        "{method: GET, path: /a, query: {x: 5}}",
        ["query.x: expected a pattern, or {any: [patterns]}, found 5 quote it"],
    ),
    ("rest", "GET", ["allow: expected a mapping such as {method: GET, path: /v1/**}, found the text 'GET'"]),
    ("websocket", "{method: POST, path: /a}", ["method: expected one of GET, WEBSOCKET_TEXT, *, found 'POST'"]),
    ("websocket", "{method: WEBSOCKET_TXT, path: /a}", ["did you mean 'WEBSOCKET_TEXT'?"]),
    ("websocket", "{method: GET}", ["'path' is missing"]),
    ("websocket", "{fields: [a]}", ["'operation_type' is missing"]),
    (
        "websocket",
        "{method: GET, path: /a, operation_type: query}",
        ["'operation_type' and 'method' cannot stand in one rule"],
    ),
    ("graphql", "{fields: [a]}", ["'operation_type' is missing"]),
    ("graphql", "{operation_type: quary}", ["operation_type: expected one of query, mutation"]),
    ("mcp", "{tool: a}", ["'method' is missing add method: tools/call"]),
    ("mcp", "{method: '*'}", ["method: expected an MCP method, found '*'"]),
    ("mcp", "{method: initialize, tool: a}", ["tool: only method tools/call has a tool"]),
    ("mcp", "{method: tools/call, tool: a, params: {name: a}}", ["params: 'tool' and 'params' mean the same"]),
    ("mcp", "{method: tools/call, params: {arguments: a}}", ["params.arguments: unknown key"]),
    ("json-rpc", "{method: 'a.*'}", ["method: expected the name of a method or *, found 'a.*'"]),
    ("json-rpc", "{method: a, params: {name: a}}", ["params: rules of protocol json-rpc have no 'params'"]),
)
