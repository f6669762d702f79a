"""The official MCP Python client with its own OAuth: sign in, call, refresh by itself, and be revoked.

    NODE=... PERSON=.../person.mjs python client_python.py http://127.0.0.1:PORT/mcp
"""

import asyncio
import json
import os
import sys
import time
from urllib.parse import parse_qs, urlsplit

from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

try:  # 2.x
    import httpx2 as httpx
    from mcp.client.auth import AuthorizationCodeResult
except ImportError:  # 1.x, which does not look at `iss`
    import httpx

    def AuthorizationCodeResult(code: str, state: str | None, iss: str | None) -> tuple[str, str | None]:
        return code, state

RESOURCE = sys.argv[1]
CALLBACK = "http://127.0.0.1:33419/callback"


def check(ok: object, title: str, detail: object = "") -> None:
    print(json.dumps({"ok": bool(ok), "title": title, "detail": str(detail)}), flush=True)


class Keeper(TokenStorage):
    """What the client would keep between two starts."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Browser:
    """The person and their browser, as a command."""

    opened = 0
    landed = ""

    async def open(self, url: str) -> None:
        self.opened += 1
        walk = await asyncio.create_subprocess_exec(
            os.environ["NODE"], os.environ["PERSON"], url, CALLBACK, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await walk.communicate()
        self.landed = output.decode().strip()

    async def answer(self) -> AuthorizationCodeResult:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.landed).query).items()}
        return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))


async def main() -> None:
    keeper, browser = Keeper(), Browser()
    oauth = OAuthClientProvider(
        server_url=RESOURCE,
        client_metadata=OAuthClientMetadata(client_name="Official Python client", redirect_uris=[CALLBACK]),
        storage=keeper,
        redirect_handler=browser.open,
        callback_handler=browser.answer,
    )
    async with (
        create_mcp_http_client(auth=oauth) as http,
        streamable_http_client(RESOURCE, http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        first = keeper.tokens
        check(browser.opened == 1 and first and first.refresh_token, "signs in by itself, from nothing but the URL")
        names = {tool.name for tool in (await session.list_tools()).tools}
        check({"echo", "whoami", "count"} <= names, "lists the tools", names)
        check(await said(session, "hello") == "hello", "calls a tool")
        steps: list[float] = []

        async def progress(done: float, total: float | None, message: str | None) -> None:
            steps.append(done)

        await session.call_tool("count", {"to": 3, "pause_ms": 50}, progress_callback=progress)
        check(steps == [1, 2, 3], "gets progress on the way", steps)

        # This client renews what its own clock calls expired; to a 401 it answers with a whole new sign-in.
        while oauth.context.is_token_valid():
            await asyncio.sleep(0.05)
        check(await said(session, "later") == "later", "calls a tool after its token has expired")
        second = keeper.tokens
        check(
            second.access_token != first.access_token and second.refresh_token != first.refresh_token,
            "both tokens were renewed",
        )
        check(browser.opened == 1, "the person was not asked again", browser.opened)

    async with httpx.AsyncClient() as plain:
        metadata = (await plain.get(f"{origin(RESOURCE)}/.well-known/oauth-authorization-server")).json()
        revoked = await plain.post(
            metadata["revocation_endpoint"],
            data={
                "token": keeper.tokens.refresh_token,
                "client_id": keeper.client.client_id,
                # This client registers as one with a secret.
                "client_secret": keeper.client.client_secret or "",
            },
        )
    check(revoked.status_code == 200, "revokes", revoked.status_code)
    check(await until_refused(keeper.tokens.access_token, seconds=1), "is refused within a second of its revocation")


async def said(session: ClientSession, message: str) -> str:
    return (await session.call_tool("echo", {"message": message})).content[0].text


async def until_refused(token: str, seconds: float) -> bool:
    """Asks with this token until the answer is 401."""
    deadline = time.monotonic() + seconds
    async with httpx.AsyncClient() as plain:
        while time.monotonic() < deadline:
            answer = await plain.get(f"{RESOURCE}/nothing", headers={"authorization": f"Bearer {token}"})
            if answer.status_code == 401:
                return True
            await asyncio.sleep(0.05)
    return False


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


asyncio.run(main())
