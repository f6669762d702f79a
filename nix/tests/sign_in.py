"""Signs somebody in at an MCP server, as a client that knows nothing but its URL does, and prints what the server answers.

Plain HTTP and the standard library. Consent is given; a provider that asks who one is gets the first choice, one that asks
for a name and a password gets those of --name and --password.
"""

import argparse
import base64
import hashlib
import json
import re
import secrets
import sys
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from pathlib import Path

REDIRECT = "http://127.0.0.1:33418/callback"


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Forms(HTMLParser):
    """Every form of a page: where it goes, its fields, and its buttons in their order."""

    def __init__(self, page):
        super().__init__()
        self.forms = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append({"action": attributes.get("action", ""), "fields": {}, "buttons": []})
        if not self.forms or "name" not in attributes:
            return
        pair = (attributes["name"], attributes.get("value", ""))
        if tag == "button":
            self.forms[-1]["buttons"].append(pair)
        elif tag == "input":
            self.forms[-1]["fields"].update([pair])


browser = urllib.request.build_opener(NoRedirect, urllib.request.HTTPCookieProcessor(CookieJar()))


def ask(url, data=None, headers=None):
    """Status, headers and text of an answer, whatever its status."""
    try:
        answer = browser.open(urllib.request.Request(url, data, headers or {}), timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    return answer.status, answer.headers, answer.read().decode()


def form(fields):
    return urllib.parse.urlencode(fields).encode()


def read(url, data=None, headers=None):
    status, _, text = ask(url, data, headers)
    if status >= 300:
        sys.exit(f"{url}: {status} {text}")
    return json.loads(text)


def call(resource, token=None):
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize"}
    body["params"] = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    return ask(resource, json.dumps(body).encode(), headers)


def walk(url, name, password):
    """Follows redirects and sends forms until the browser would go back to the client."""
    data = None
    for _ in range(20):
        status, headers, text = ask(url, data)
        data = None
        if status in (302, 303, 307):
            url = urllib.parse.urljoin(url, headers["location"])
            if url.startswith(REDIRECT):
                return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
            continue
        forms = Forms(text).forms
        if status != 200 or not forms:
            sys.exit(f"{url}: {status} {text}")
        fields = forms[0]["fields"]
        fields.update(forms[0]["buttons"][:1])
        fields.update({key: value for key, value in (("login", name), ("password", password)) if key in fields})
        url, data = urllib.parse.urljoin(url, forms[0]["action"]), form(fields)
    return sys.exit("the sign-in goes in circles")


def sign_in(resource, name, password):
    status, headers, _ = call(resource)
    if status != 401:
        sys.exit(f"{resource}: {status} without a token")
    metadata = read(re.search(r'resource_metadata="([^"]+)"', headers["www-authenticate"])[1])
    issuer = urllib.parse.urlsplit(metadata["authorization_servers"][0])
    well_known = f"/.well-known/oauth-authorization-server{issuer.path.rstrip('/')}"
    server = read(urllib.parse.urlunsplit(issuer._replace(path=well_known)))
    client = {"client_name": "A test", "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"}
    client = read(server["registration_endpoint"], json.dumps(client).encode(), {"content-type": "application/json"})
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    request = {"response_type": "code", "client_id": client["client_id"], "redirect_uri": REDIRECT, "state": state}
    request |= {"code_challenge": challenge, "code_challenge_method": "S256", "resource": metadata["resource"]}
    answer = walk(f"{server['authorization_endpoint']}?{urllib.parse.urlencode(request)}", name, password)
    if answer.get("state") != state or "code" not in answer:
        sys.exit(f"no code: {answer}")
    exchange = {"grant_type": "authorization_code", "code": answer["code"], "client_id": client["client_id"]}
    exchange |= {"redirect_uri": REDIRECT, "code_verifier": verifier, "resource": metadata["resource"]}
    return read(server["token_endpoint"], form(exchange))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("resource", help="the URL of the MCP server")
    parser.add_argument("--name", default="admin@example.com")
    parser.add_argument("--password", default="password")
    parser.add_argument("--keep", type=Path, help="where to write the tokens")
    parser.add_argument("--use", type=Path, help="tokens of an earlier sign-in")
    options = parser.parse_args()
    if options.use:
        tokens = json.loads(options.use.read_text())
    else:
        tokens = sign_in(options.resource, options.name, options.password)
    if options.keep:
        options.keep.write_text(json.dumps(tokens))
    status, _, text = call(options.resource, tokens["access_token"])
    print(f"{status} {text}")
    if status != 200:
        sys.exit(1)


main()
