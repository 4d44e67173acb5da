"""Who is let in: the token, the names of the host, requests from other sites, the headers of every answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from server_client import Client
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from gradiometer.server.gate import CSP, Door, Gate, new_token
from gradiometer.server.serve import address, door_of

PORT = 8471
OWN = f"http://127.0.0.1:{PORT}"


async def secret(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"secret {request.url.query}")


@pytest.fixture(scope="module")
def fresh() -> Iterator[Callable[[], Client]]:
    """Makes browsers that know nothing yet."""
    route = Route("/{p:path}", secret, methods=["GET", "POST"])
    app = Starlette(routes=[route], middleware=[Middleware(Gate, door=Door("right", PORT))])
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Client(app, OWN))


@pytest.fixture
def client(fresh: Callable[[], Client]) -> Client:
    """A browser that knows nothing yet."""
    return fresh()


@pytest.fixture
def inside(fresh: Callable[[], Client]) -> Client:
    """A browser that has entered with the token."""
    one = fresh()
    assert one.get("/?token=right").status_code == 303
    return one


def test_without_a_token_nothing_is_shown(client: Client) -> None:
    answer = client.get("/api/runs")
    assert answer.status_code == 403
    assert "secret" not in answer.text
    assert "token" in answer.text


@pytest.mark.parametrize("token", ["", "wrong", "righ", "right ", "Right", "rightright", "é", "\udcff"])
def test_a_wrong_token_is_refused_and_sets_no_cookie(client: Client, token: str) -> None:
    answer = client.get("/", params={"token": token.encode("utf-8", "surrogatepass")})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_the_right_token_becomes_a_cookie_and_leaves_the_address(client: Client) -> None:
    answer = client.get("/runs/1?step=3&token=right&model=a%26b")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/runs/1?step=3&model=a%26b"
    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said and "samesite=strict" in said and "path=/" in said


def test_the_cookie_lets_in_and_a_changed_one_does_not(client: Client, inside: Client) -> None:
    assert inside.get("/api/runs").text == "secret "
    name = f"gradiometer-{PORT}"
    assert client.get("/", headers={"cookie": f"{name}=righx"}).status_code == 403
    assert client.get("/", headers={"cookie": "gradiometer-1=right"}).status_code == 403, "of another port"


def test_a_redirection_stays_on_this_server(client: Client) -> None:
    for path in ("//evil.example/x", "/\\evil.example", "///evil.example"):
        place = client.get(f"{OWN}{path}?token=right").headers["location"]
        assert place.startswith("/") and not place.startswith(("//", "/\\"))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        f"evil.example:{PORT}",
        "127.0.0.1",
        "127.0.0.1:80",
        f"127.0.0.1.evil.example:{PORT}",
        f"127.0.0.1:{PORT}.evil.example",
        f"evil.example#127.0.0.1:{PORT}",
        f"2130706433:{PORT}",
        f"192.168.0.7:{PORT}",
        f"127.0.0.1:{PORT}9",
        f"localhost.:{PORT}",
        "",
    ],
)
def test_a_foreign_host_is_refused_whatever_else_is_right(client: Client, host: str) -> None:
    answer = client.get("/?token=right", headers={"host": host})
    assert answer.status_code == 421
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"LOCALHOST:{PORT}", f"[::1]:{PORT}"])
def test_our_own_names_are_answered(client: Client, host: str) -> None:
    assert client.get("/?token=right", headers={"host": host}).status_code == 303


def test_an_exposed_server_answers_to_addresses_and_its_own_name_only() -> None:
    door = door_of("0.0.0.0", PORT, "right")
    assert door.is_ours(f"192.168.0.7:{PORT}") and door.is_ours(f"[fe80::1]:{PORT}")
    assert not door.is_ours(f"evil.example:{PORT}")
    assert not door_of("192.168.0.7", PORT, "right").is_ours(f"192.168.0.8:{PORT}")
    assert not door_of("127.0.0.1", PORT, "right").any_address


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"https://127.0.0.1:{PORT}"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
)
def test_requests_that_began_on_another_site_are_refused(inside: Client, headers: dict[str, str]) -> None:
    assert inside.get("/api/runs", headers=headers).status_code == 403
    assert inside.get("/api/runs", headers={"origin": OWN, "sec-fetch-site": "same-origin"}).status_code == 200


def test_a_link_with_the_token_may_be_followed_from_anywhere_but_not_fetched(client: Client) -> None:
    site = {"sec-fetch-site": "cross-site"}
    assert client.get("/?token=right", headers=site | {"sec-fetch-mode": "navigate"}).status_code == 303
    assert client.get("/?token=right", headers=site | {"sec-fetch-mode": "no-cors"}).status_code == 403
    assert client.get("/?token=wrong", headers=site | {"sec-fetch-mode": "navigate"}).status_code == 403


def test_what_changes_something_must_say_that_it_comes_from_our_page(inside: Client) -> None:
    assert inside.post("/x").status_code == 403
    assert inside.post("/x", headers={"origin": "http://evil.example"}).status_code == 403
    assert inside.post("/x", headers={"origin": OWN}).status_code == 200


@pytest.mark.parametrize("path", ["/api/runs", "/?token=right", "/?token=wrong"])
def test_every_answer_has_the_headers(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == CSP
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert not [name for name in headers if name.startswith("access-control")]


def test_the_policy_runs_no_text_as_script() -> None:
    rules = dict(part.strip().split(" ", 1) for part in CSP.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self'"
    assert rules["connect-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'none'"


def test_tokens_are_long_and_never_the_same() -> None:
    made = {new_token() for _ in range(20)}
    assert len(made) == 20
    assert min(map(len, made)) >= 43  # 256 bits in base 64


def test_a_bearer_may_come_without_a_browser(client: Client) -> None:
    assert client.get("/x", headers={"authorization": "Bearer right"}).status_code == 200
    assert client.get("/x", headers={"authorization": "Bearer wrong"}).status_code == 403
    assert client.get("/x", headers={"authorization": "Basic right"}).status_code == 403


def test_the_address_names_the_machine_that_can_be_asked() -> None:
    assert address("0.0.0.0", 5, "t") == "http://127.0.0.1:5/?token=t"
    assert address("::1", 5, "t") == "http://[::1]:5/?token=t"
