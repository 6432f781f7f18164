"""The web application: the page, its stream and its acts, behind one guard that identifies the caller."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio.to_thread
import msgspec
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from console.dashboard import acts as deeds
from console.dashboard.access import COOKIE, Access, Person
from console.dashboard.problems import problem, problem_of
from console.dashboard.rest_api import api_routes
from console.dashboard.screen_stream import Events
from console.dashboard.screens import SCREENS, Screens
from console.dashboard.static_files import STATIC, static_files
from console.dashboard.views import agent, assets, forecasts, plan
from console.dashboard.views.background import Background
from console.dashboard.views.moment import Moment
from console.dashboard.what_if import Shadows, ShadowWish
from mcp_server.actions.actions import Acts
from mcp_server.queries.context import QuestionError, ReadContext, UnknownNameError
from mcp_server.queries.topics import peek_topic
from topologies.control.plan_book import PlanBook
from topologies.control.publisher import Post
from vpp.domain import Target
from vpp.errors import RefusedError, VppError
from vpp.http_guard import StrictHost
from vpp.json_keys import unique_keys
from vpp.messages.times import EARLIEST, LATEST
from vpp.settings import Settings
from vpp.store import Store

log = logging.getLogger(__name__)

MAX_BODY = 16_384
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
OPEN_PATHS = ("/healthz", "/login", "/static/")


class Guard:
    """Rejects foreign hosts, unknown callers and forged writes, and adds the security headers to every response."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        refusal = await self._refusal(request)
        if refusal is not None:
            await refusal(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)

    async def _refusal(self, request: Request) -> Response | None:
        path = request.url.path
        if not self._access.host_is_ours(request):
            return problem(421, "this host is not served here", "set VPP_PAGE__ALLOWED_HOSTS to add a name")
        if path.startswith(OPEN_PATHS):
            return None
        person = await self._access.person(request)
        if person is None:
            if path == "/":
                return RedirectResponse("/login", status_code=303)
            return problem(401, "log in first", "open /login, or send a token: Authorization: Bearer ...")
        if request.method not in ("GET", "HEAD") and not self._access.comes_from_the_page(request, person):
            return problem(403, "this write did not come from the page", "another site cannot act here")
        request.scope.setdefault("state", {})["person"] = person
        return None


@dataclass(frozen=True)
class PageAnswers:
    """Answers of the page."""

    settings: Settings
    screens: Screens
    access: Access
    events: Events
    shadows: Shadows

    async def index(self, _request: Request) -> Response:
        """The page itself."""
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    async def login_page(self, request: Request) -> Response:
        """The login, or the page where none is needed."""
        if await self.access.person(request) is not None:
            return RedirectResponse("/", status_code=303)
        return FileResponse(STATIC / "login.html", headers={"cache-control": "no-cache"})

    async def log_in(self, request: Request) -> Response:
        """Make a session for a token's owner."""
        body = await _body(request)
        session = await self.access.log_in(str(body.get("token", "")))
        if session is None:
            return problem(
                401, "this token is not known", "ask for one: python -m mcp_server token NAME --scope vpp:read"
            )
        response = Response(status_code=204)
        response.set_cookie(
            COOKIE,
            session,
            max_age=round(self.settings.page.session_h * 3600),
            httponly=True,
            samesite="strict",
            secure=self.settings.page.secure,
            path="/",
        )
        return response

    async def log_out(self, request: Request) -> Response:
        """End the session."""
        self.access.log_out(request)
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, path="/")
        return response

    async def me(self, request: Request) -> Response:
        """The person and their rights."""
        person = _person(request)
        return JSONResponse(
            {
                "name": person.name,
                "way": person.way,
                "may_operate": person.may_operate,
                "may_approve": person.may_approve,
                "one_person": self.settings.one_person,
            }
        )

    async def stream(self, request: Request) -> Response:
        """A screen as server-sent events."""
        name, zone = _screen_of(request), request.query_params.get("zone")
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self.events.stream(name, zone), media_type="text/event-stream", headers=headers)

    async def screen(self, request: Request) -> Response:
        """A screen once, now or as it was."""
        name, zone, at = _screen_of(request), request.query_params.get("zone"), _time_of(request, "at")
        return _json(await anyio.to_thread.run_sync(self.screens.show, name, zone, at))

    async def why(self, request: Request) -> Response:
        """Why one step of the plan in force is as it is."""
        moment = self._moment(request)
        step = _whole(request.query_params.get("step", "0"), "the number of a step, from 0")

        def answer() -> Any:
            return None if moment.plan is None or moment.config is None else plan.why(moment, moment.plan, step)

        return _json(await anyio.to_thread.run_sync(answer))

    async def why_not(self, request: Request) -> Response:
        """What another first step would have cost."""
        wish = await _asked(request, deeds.WhyNotWish)
        moment = Moment(self.screens.context, wish.zone)
        return _json(
            await anyio.to_thread.run_sync(plan.why_not, moment, wish.decision_id, wish.asset_id, wish.power_mw)
        )

    async def asset(self, request: Request) -> Response:
        """One asset with its history."""
        span = request.query_params.get("span", "24h")
        if span not in assets.SPANS:
            raise UnknownNameError(f"there is no span {span!r}", hint="one of " + ", ".join(assets.SPANS))
        name = request.query_params.get("asset_id", "")
        detail = await anyio.to_thread.run_sync(assets.asset, self._moment(request), name, span)
        if detail is None:
            raise UnknownNameError(f"there is no asset {name!r}", hint="see the list")
        return _json(detail)

    async def forecast(self, request: Request) -> Response:
        """What the newest forecast of a target rests on."""
        query = request.query_params
        target, horizon = query.get("target", Target.NET_LOAD.value), query.get("horizon_min", "")
        if target not in list(Target):
            raise UnknownNameError(f"there is no target {target!r}", hint="one of " + ", ".join(Target))
        horizon_min = _whole(horizon, "minutes ahead, such as 60") if horizon else None
        moment = self._moment(request)
        return _json(await anyio.to_thread.run_sync(forecasts.parts, moment, Target(target), horizon_min))

    async def look(self, request: Request) -> Response:
        """One look of the agent with every step."""
        look_id = request.query_params.get("look_id", "")
        return _json(await anyio.to_thread.run_sync(agent.look, self._moment(request), look_id))

    async def peek(self, request: Request) -> Response:
        """The newest records of a topic."""
        topic, zone = request.query_params.get("topic", ""), request.query_params.get("zone") or None
        context = self.screens.context
        records = await anyio.to_thread.run_sync(lambda: peek_topic(context, topic, "tail", zone, 5, 3.0))
        return _json(records.model_dump())

    async def preview(self, request: Request) -> Response:
        """What a plan would do."""
        orders = deeds.OrderDesk(self.screens.acts)
        zone, plan_id = request.query_params.get("zone", ""), request.query_params.get("plan_id", "")
        return _json(await anyio.to_thread.run_sync(orders.preview, zone, plan_id))

    async def shadow(self, request: Request) -> Response:
        """Start a shadow run, or tell how far it is."""
        wish = await _asked(request, ShadowWish)
        return _json(self.shadows.ask(wish))

    def act(
        self, model: type[BaseModel], deed: Callable[[deeds.OrderDesk, Any, Person], Any]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return the handler of one act: it reads the request, acts on a thread, and wakes the streams."""

        async def handler(request: Request) -> Response:
            body, person = await _asked(request, model), _person(request)
            orders = deeds.OrderDesk(self.screens.acts)
            try:
                result = await anyio.to_thread.run_sync(deed, orders, body, person)
            finally:
                self.events.wake()
            return _json(result)

        return handler

    def _moment(self, request: Request) -> Moment:
        zone = self.screens.context.choose(request.query_params.get("zone"))
        if zone is None:
            raise QuestionError("nothing has run yet", hint="start `vpp up`")
        return Moment(self.screens.context, zone, _time_of(request, "at"))


def build_app(settings: Settings, store: Store, *, every_s: float = 1.0, acts: Acts | None = None) -> Starlette:
    """Return the application.

    Args:
        settings: The settings.
        store: Opened for reading.
        every_s: Least time between two looks at the store for one screen.
        acts: How orders are sent; default: through the broker of the settings.

    Raises:
        VppError: It may not listen where the settings say.
    """
    if acts is None:
        acts = Acts(
            ReadContext(settings, store),
            PlanBook(store, Post(settings, "dashboard"), settings.approval_secret, one_person=settings.one_person),
        )
    context = acts.context
    background = Background()
    screens = Screens(context, acts, background)
    access = Access(settings)
    events = Events(screens.show, every_s)
    page = PageAnswers(settings, screens, access, events, Shadows(context))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        background.close()
        page.shadows.close()

    routes = [
        Route("/", page.index),
        Route("/healthz", healthz),
        Route("/login", page.login_page, methods=["GET"]),
        Route("/login", page.log_in, methods=["POST"]),
        Route("/logout", page.log_out, methods=["POST"]),
        Route("/events", page.stream),
        Route("/page/me", page.me),
        Route("/page/screen", page.screen),
        Route("/page/why", page.why),
        Route("/page/why-not", page.why_not, methods=["POST"]),
        Route("/page/asset", page.asset),
        Route("/page/forecast", page.forecast),
        Route("/page/look", page.look),
        Route("/page/peek", page.peek),
        Route("/page/preview", page.preview),
        Route("/page/shadow", page.shadow, methods=["POST"]),
        Route("/page/propose", page.act(deeds.ProposalWish, deeds.OrderDesk.propose), methods=["POST"]),
        Route("/page/approve", page.act(deeds.PlanVerdict, deeds.OrderDesk.approve), methods=["POST"]),
        Route("/page/reject", page.act(deeds.PlanVerdict, deeds.OrderDesk.reject), methods=["POST"]),
        Route("/page/acknowledge", page.act(deeds.AlertsTaken, deeds.OrderDesk.acknowledge), methods=["POST"]),
        Route("/page/silence", page.act(deeds.SilenceWish, deeds.OrderDesk.silence), methods=["POST"]),
        Route("/page/maintenance", page.act(deeds.MaintenanceWish, deeds.OrderDesk.maintain), methods=["POST"]),
        Route("/page/hold", page.act(deeds.HoldWish, deeds.OrderDesk.hold), methods=["POST"]),
        *api_routes(context),
        static_files(),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(StrictHost), Middleware(Guard, access=access)],
        exception_handlers=dict.fromkeys((HTTPException, VppError, ValidationError, ValueError), problem_of),
        lifespan=lifespan,
    )
    app.state.events = events
    return app


async def healthz(_request: Request) -> Response:
    """Say that the process answers."""
    return PlainTextResponse("ok\n")


def _screen_of(request: Request) -> str:
    name = request.query_params.get("screen", "now")
    if name not in SCREENS:
        raise UnknownNameError(f"there is no screen {name!r}", hint="one of " + ", ".join(SCREENS))
    return name


def _time_of(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise QuestionError(f"{text!r} is not a time", hint="write 2022-01-31T18:30Z") from error
    if instant.tzinfo is None:
        raise QuestionError(f"{text!r} has no time zone", hint="write 2022-01-31T18:30Z")
    if not EARLIEST <= instant < LATEST:
        raise QuestionError(f"{text!r} is not between {EARLIEST.year} and {LATEST.year}", hint="check the year")
    return instant


def _whole(text: str, meaning: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise QuestionError("a whole number is expected", hint=f"write {meaning}")
    return int(text)


async def _body(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RefusedError("the body must be application/json")
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise RefusedError(f"the body is longer than {MAX_BODY} bytes")
    try:
        body = json.loads(raw or b"{}", object_pairs_hook=unique_keys)
    except ValueError as error:
        raise QuestionError(f"the body is not JSON: {error}", hint="send one object") from error
    if not isinstance(body, dict):
        raise QuestionError("the body is not a JSON object", hint="send one object")
    return body


async def _asked(request: Request, model: type[Any]) -> Any:
    return model.model_validate(await _body(request))


def _person(request: Request) -> Person:
    person: Person = request.state.person
    return person


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json", headers={"cache-control": "no-store"})
