"""An MCP server without a line of authentication: Vestibule stands in front of it."""

import os

from fastmcp import FastMCP
from fastmcp.server.dependencies import get_http_headers

server = FastMCP("python-example")


@server.tool
def whoami() -> dict[str, str | None]:
    """Who is calling, as the gateway told this server."""
    headers = get_http_headers()
    return {
        "subject": headers.get("x-vestibule-subject"),
        "email": headers.get("x-vestibule-email"),
        "scopes": headers.get("x-vestibule-scopes"),
    }


@server.tool
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


if __name__ == "__main__":
    # Loopback only: whoever reaches this port directly can claim to be anybody.
    server.run(transport="http", host=os.environ.get("HOST", "127.0.0.1"), port=3000, path="/mcp")
