"""The schema of one entry of ``network_policies``, as OpenShell 0.1 documents it."""

from __future__ import annotations

from pyopenshell.policy.field import Field
from pyopenshell.policy.network import hosts, patterns

REQUEST_PROTOCOLS = ("rest", "websocket", "graphql", "mcp", "json-rpc")
"""The protocols whose requests are examined one by one."""
MCP_VERSIONS = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
_MAX_BODY = 1 << 30


def _text(doc: str, **more: object) -> Field:
    return Field("text", doc, **more)  # type: ignore[arg-type]


def _flag(doc: str) -> Field:
    return Field("boolean", doc, default=False)


def _body(doc: str) -> Field:
    return Field("integer", doc, default=65536, low=1, high=_MAX_BODY)


def _names(doc: str, noun: str) -> Field:
    return Field("list", doc, item=Field("text", f"One of {noun}."))


_ANY = {"any": Field("list", "Patterns of which one must match.", required=True, item=Field("text", "A pattern."))}
_OPERATION = {
    "operation_type": _text("GraphQL operation.", choices=("query", "mutation", "subscription", "*")),
    "operation_name": _text("Pattern for the name of the GraphQL operation."),
    "fields": _names("Patterns for the operation's top-level GraphQL fields.", "the field patterns"),
}

RULE = Field(
    "mapping",
    "What a request must look like. Which keys are read depends on the endpoint's protocol.",
    noun="a mapping such as {method: GET, path: /v1/**}",
    fields={
        "method": _text("Method of the request: of HTTP, of JSON-RPC or of MCP, or GET and WEBSOCKET_TEXT."),
        "path": _text("Pattern for the request's path (rest, websocket).", check=patterns.check_path),
        "query": Field(
            "table",
            "Patterns for query parameters, by name (rest, websocket).",
            item=Field("matcher", "A pattern, or several of which one must match.", fields=_ANY),
        ),
        **_OPERATION,
        "tool": Field("matcher", "Pattern for the name of an MCP tool, with method tools/call.", fields=_ANY),
        "params": Field(
            "mapping",
            "MCP parameters; only 'name', the long form of 'tool', can be matched.",
            fields={"name": Field("matcher", "Pattern for the tool's name.", fields=_ANY)},
        ),
    },
)

ENDPOINT = Field(
    "mapping",
    "One destination, and what may be said to it.",
    noun="a mapping such as {host: api.example.com, port: 443}",
    fields={
        "host": _text(
            "Host name, address, or a pattern such as *.example.com.", noun="a host name", check=hosts.check_host
        ),
        "port": Field("integer", "TCP port.", low=1, high=65535),
        "ports": Field("list", "TCP ports, instead of 'port'.", item=Field("integer", "A port.", low=1, high=65535)),
        "path": _text(
            "Pattern for the request path that selects this endpoint among others of the same host and port.",
            check=patterns.check_path,
        ),
        "allowed_ips": Field(
            "list",
            "Addresses and networks to which the host may resolve; required where 'host' is left out.",
            item=Field(
                "text", "An address or network.", noun="an address such as 10.0.0.0/8", check=hosts.check_network
            ),
        ),
        "protocol": _text(
            "What is examined in the traffic; without it whole connections are allowed.",
            choices=(*REQUEST_PROTOCOLS, "tcp"),
        ),
        "tls": _text(
            "skip passes TLS through unopened. terminate and passthrough are accepted from older policies and change "
            "nothing.",
            choices=("skip", "terminate", "passthrough"),
        ),
        "enforcement": _text(
            "enforce blocks requests that the rules do not allow; audit reports them and lets them pass.",
            choices=("enforce", "audit"),
            default="audit",
        ),
        "access": _text("A ready-made set of rules, instead of 'rules'.", choices=("read-only", "read-write", "full")),
        "rules": Field(
            "list",
            "Requests that are allowed.",
            item=Field(
                "mapping",
                "One allowed kind of request.",
                noun="a mapping such as {allow: {method: GET, path: /v1/**}}",
                fields={"allow": RULE.replace(required=True)},
            ),
            schema={"minItems": 1},
        ),
        "deny_rules": Field(
            "list", "Requests that are denied, whatever else allows them.", item=RULE, schema={"minItems": 1}
        ),
        "allow_encoded_slash": _flag("Whether %2F may stand in a request's path, as npm's scoped packages need."),
        "credential_binding": Field(
            "mapping",
            "The provider whose credentials this endpoint is given.",
            fields={"provider": _text("Name of the provider.", required=True)},
        ),
        "request_body_credential_rewrite": _flag(
            "Whether credential placeholders in request bodies are filled in (rest)."
        ),
        "websocket_credential_rewrite": _flag(
            "Whether credential placeholders in text messages of a WebSocket are filled in (rest, websocket)."
        ),
        "allow_uninspected_credentials": _flag("Whether credentials may go where requests are not examined."),
        "credential_signing": _text(
            "How requests are signed for AWS; needs 'signing_service'.",
            choices=("sigv4", "sigv4:body", "sigv4:no_body"),
        ),
        "signing_service": _text("AWS service to sign for, such as s3."),
        "signing_region": _text("AWS region to sign for, where the host name does not tell."),
        "persisted_queries": _text(
            "What becomes of GraphQL requests that name a stored query.",
            choices=("deny", "allow_registered"),
            default="deny",
        ),
        "graphql_persisted_queries": Field(
            "table",
            "The stored GraphQL queries that are known, by hash or identifier.",
            item=Field(
                "mapping",
                "What a stored query does.",
                fields={**_OPERATION, "operation_type": _OPERATION["operation_type"].replace(required=True)},
            ),
        ),
        "graphql_max_body_bytes": _body("Largest GraphQL request that is examined, in bytes; larger ones are denied."),
        "mcp": Field(
            "mapping",
            "Options of the protocol mcp.",
            fields={
                "versions": Field(
                    "list",
                    "MCP revisions that are accepted.",
                    default=("2025-11-25",),
                    item=Field("text", "A revision.", choices=MCP_VERSIONS),
                    schema={"minItems": 1, "uniqueItems": True},
                ),
                "max_body_bytes": _body("Largest MCP request that is examined, in bytes; larger ones are denied."),
                "strict_tool_names": Field(
                    "boolean", "Whether tool names must be of letters, digits, '_', '.' and '-'.", default=True
                ),
                "allow_all_known_mcp_methods": _flag("Whether all methods that MCP defines are allowed without rules."),
            },
        ),
        "json_rpc": Field(
            "mapping",
            "Options of the protocol json-rpc.",
            fields={
                "max_body_bytes": _body("Largest JSON-RPC request that is examined, in bytes; larger ones are denied.")
            },
        ),
    },
    schema={
        "anyOf": [{"required": ["host"]}, {"required": ["allowed_ips"]}],
        "oneOf": [{"required": ["port"]}, {"required": ["ports"]}],
        "not": {"required": ["access", "rules"]},
        "dependentRequired": {"credential_signing": ["signing_service"], "deny_rules": ["protocol"]},
    },
)

NETWORK_POLICY = Field(
    "mapping",
    "One rule: each of its binaries may reach each of its endpoints.",
    fields={
        "name": _text("Name for logs. The default is the entry's key."),
        "endpoints": Field("list", "Destinations.", noun="a list of endpoints", default=(), item=ENDPOINT),
        "binaries": Field(
            "list",
            "Programs to which the rule applies; with none, it applies to nothing.",
            noun="a list such as [{path: /usr/bin/curl}]",
            default=(),
            item=Field(
                "mapping",
                "A program.",
                noun="a mapping such as {path: /usr/bin/curl}",
                fields={
                    "path": _text(
                        "Real path of the program, or a pattern for it.",
                        noun="a path",
                        required=True,
                        check=patterns.check_binary,
                    )
                },
            ),
        ),
    },
)
