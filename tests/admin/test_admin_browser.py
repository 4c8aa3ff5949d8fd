"""The admin in a real Chromium, against a real hub: its verbs, its form, its looks. No page may complain to
the console, CSP included.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, ViewportSize

from notifications import services
from notifications.models import Change, EndReason, Event, Notification, StreamSession, Worker, new_public_id
from notifications.services import NewStream, Provenance, Recipients, Selection
from tests.helpers.browser import InboxPage, PageFactory, expect
from tests.helpers.factories import make_token, make_user, order_event, send
from tests.helpers.processes import HubProcess
from tests.helpers.staff import BROADCASTS, INBOXES, LIST, REPLAYS, STREAMS, TOKENS, page_of, row_of
from tests.helpers.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.browser,
    pytest.mark.system,
    pytest.mark.shape("embedded"),
]

LONG = "W" * 200
PHONE: ViewportSize = {"width": 400, "height": 800}
DESK: ViewportSize = {"width": 1280, "height": 800}
ACCESSIBLE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}


@pytest.fixture(autouse=True)
def root() -> User:
    return make_user("root", is_staff=True, is_superuser=True)


def enter(page: Page, hub: HubProcess, path: str = "/admin/") -> None:
    """Log in to the admin as a person does, on the way to a page."""
    page.goto(f"{hub.base_url}/admin/login/?next={path}")
    page.fill("#id_username", "root")
    page.fill("#id_password", "root")
    page.click("input[type=submit]")
    page.wait_for_url(f"{hub.base_url}{path}")


def test_staff__find_a_notification_and_mark_it_read(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    send(ada, "Your order is on its way", topic="order:7")
    send(ada, "Something else")
    page = page_factory()
    enter(page, shared_hub)
    page.get_by_label("Find a notification").fill("order:7")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("td.field-title")).to_have_count(1)
    page.get_by_role("link", name="Your order is on its way").click()

    page.get_by_role("button", name="Mark as read").click()
    expect(page.locator(".messagelist")).to_contain_text("It was marked as read.")
    expect(page.locator(".hub-entry")).to_have_count(3)
    expect(page.locator(".hub-entry-read")).to_contain_text("root")
    assert Change.objects.get(kind="read").via == "admin"


def test_staff__see_to_which_device_it_was_written__and_that_it_came_back_having_had_it(
    start_hub: Callable[..., HubProcess], page_factory: PageFactory, ada: User
) -> None:
    # Positions are written, and ends that another process asks for are seen, with the reconciliation.
    hub = start_hub(env={"HUB_RECONCILE_SECONDS": "1"})
    owner = InboxPage.of(ada, hub, page_factory)
    public_id = send(ada, "Your order is on its way")
    expect(owner.note("Your order is on its way")).to_have_count(1)
    streams = StreamSession.objects.filter(user=ada).exclude(
        reason__in=[EndReason.ANSWERED, EndReason.LISTED]
    )
    wait_until(lambda: streams.filter(position=1).exists(), what="the record of the stream")
    staff = page_factory()
    enter(staff, hub, page_of(public_id))
    written = staff.locator(".hub-entry-written")
    expect(written).to_contain_text("Written to Chrome on Linux")
    expect(written).to_contain_text("not confirmed yet")
    services.end_streams(streams.values_list("pk", flat=True), EndReason.ROTATE)
    wait_until(lambda: streams.filter(start_position=1).exists(), what="the record of the next stream")
    staff.reload()
    expect(staff.locator(".hub-entry-written")).to_have_count(1)
    expect(written.locator(".hub-confirmed")).to_contain_text("confirmed")


def test_staff__without_javascript__filter_page_and_erase(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    public_id = send(ada, "Your order is on its way", topic="order:7")
    for number in range(51):
        send(ada, str(number))
    page = page_factory(java_script_enabled=False)
    enter(page, shared_hub, LIST)
    page.get_by_role("link", name="Older ›").click()
    expect(page.locator("td.field-title")).to_have_count(3)
    page.get_by_role("link", name="« Newest").click()
    page.get_by_label("Topic").fill("order:7")
    page.get_by_role("button", name="Apply").click()
    page.get_by_role("link", name="Your order is on its way").click()
    page.get_by_role("link", name="Erase content…").click()
    page.get_by_label("Reason").fill("asked for")
    page.get_by_role("button", name="Erase it").click()
    expect(page.locator(".messagelist")).to_contain_text("The content of 1 notification was erased.")
    expect(page.locator(".hub-entry-deleted")).to_contain_text("Erased")
    assert row_of(public_id).event.title == ""


def test_staff__delete_a_selection_after_being_asked(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    send(ada, "one")
    send(ada, "two")
    page = page_factory()
    enter(page, shared_hub, f"{LIST}?recipient=ada")
    page.locator("#action-toggle").check()
    page.select_option("select[name=action]", "delete_selected")
    page.get_by_role("button", name="Go").click()
    page.get_by_role("button", name="Yes, I’m sure").click()
    expect(page.locator(".messagelist")).to_contain_text("2 notifications were deleted.")
    page.goto(f"{shared_hub.base_url}{LIST}?state=deleted")
    expect(page.locator("td.field-state_chip").first).to_contain_text("By staff")


def test_staff__make_a_token_and_see_its_text_once(
    shared_hub: HubProcess, page_factory: PageFactory, ada: User
) -> None:
    page = page_factory(bypass_csp=True)  # for the checker, which sets inline styles
    enter(page, shared_hub, f"{TOKENS}add/")
    page.locator(".select2-selection").click()
    page.locator(".select2-search__field").fill("ada")
    page.get_by_role("option", name="ada").click()
    page.get_by_label("Name").fill("ci-deploy")
    page.get_by_label("Read the inbox and its stream").check()
    page.get_by_role("button", name="Create token").click()
    text = page.locator("pre.hub-code").inner_text()
    token = services.usable_token(text)
    assert token is not None
    assert (token.user, token.scopes) == (ada, "read")
    assert violations(page) == []
    page.get_by_role("link", name="I have copied it").click()
    expect(page.locator("td.field-owner")).to_have_text("ada")
    assert text not in page.content()


@pytest.fixture
def addresses(ada: User) -> dict[str, str]:
    """Every page of ours in every state, with text that is as long and as hostile as it may be."""
    unread = send(ada, f"<script>alert(1)</script>{LONG[:150]}", body=LONG * 5, topic="\u202e" + LONG[:90])
    read, deleted = send(ada, "read", url="/" + LONG * 3), send(ada, "deleted", source=LONG)
    services.mark_all_read(ada, up_to=2)
    services.mark_unread(ada, [unread])
    services.delete(ada, [deleted], reason="staff")
    scheduled = send(ada, "scheduled", deliver_at=timezone.now() + timedelta(hours=1))
    bad = Event.objects.create(type="Bad", title=" ", url="javascript:alert(1)", data="{")
    failed = Notification.objects.create(recipient=ada, event=bad)
    services.sequence([ada.pk])
    root = User.objects.get(username="root")
    title = f"<script>alert(2)</script>{LONG[:150]}"
    broadcast = services.broadcast(
        Recipients(everyone=True), order_event(), title=title, body=LONG, owner=root
    )
    replay = services.start_replay(
        "redeliver",
        Selection(ids=[unread]),
        reason=LONG,
        owner=root,
        total_count=1,
        provenance=Provenance(by="root"),
    )
    services.cancel_replay(replay.pk)
    services.cancel_broadcast(broadcast.pk)
    pages = {
        "unread": unread,
        "read": read,
        "deleted": deleted,
        "scheduled": scheduled,
        "failed": failed.public_id,
    }
    stream = f"{STREAMS}{opened_stream(ada)}"
    return {
        "index": "/admin/",
        "list": LIST,
        "filtered": f"{LIST}?recipient=ada&state=deleted&sent=day&category=orders",
        "empty": f"{LIST}?q=nothing-is-called-this",
        **{name: page_of(public_id) for name, public_id in pages.items()},
        "asked": page_of(unread, "delete"),
        "erase": page_of(unread, "erase"),
        "unknown": f"{LIST}?recipient=nobody&producer=nobody&key=k",
        "words": f"{LIST}?q=ada",
        "compose": f"{BROADCASTS}add/",
        "broadcasts": BROADCASTS,
        "broadcast": f"{BROADCASTS}{broadcast.pk}/change/",
        "withdraw": f"{BROADCASTS}{broadcast.pk}/withdraw/",
        "replay one": f"{REPLAYS}add/?ids={unread}",
        "replay all": f"{REPLAYS}add/?recipient=ada",
        "replays": REPLAYS,
        "replay": f"{REPLAYS}{replay.pk}/change/",
        "inboxes": INBOXES,
        "inbox": f"{INBOXES}{ada.pk}/change/",
        "past": f"{INBOXES}{ada.pk}/past/?cursor=aaaaaaaa-1",
        "tail": f"{INBOXES}tail/?type=No!",
        "streams": f"{STREAMS}?state=all",
        "nobody": f"{STREAMS}?q=nobody",
        "stream": f"{stream}/change/",
        "disconnect": f"{stream}/disconnect/",
        "users": "/admin/auth/user/",
        "tokens": TOKENS,
        "token": f"{TOKENS}{make_token(ada, name=LONG[:100]).token.pk}/change/",
        "make a token": f"{TOKENS}add/",
    }


def opened_stream(user: User) -> UUID:
    """The key of a stream on record, from a client that names itself at length."""
    worker = Worker(host="web-1", pid=1)
    services.write_sign_of_life(worker)
    new = NewStream(id=new_public_id(), user_id=user.pk, agent=LONG)
    services.open_stream(new, worker, lambda state: ("exact", state.head))
    return new.id


@pytest.mark.parametrize(("scheme", "size"), [("light", DESK), ("dark", PHONE)])
def test_pages__are_accessible_and_fit_their_screen(
    shared_hub: HubProcess,
    page_factory: PageFactory,
    addresses: dict[str, str],
    scheme: str,
    size: ViewportSize,
) -> None:
    # The checker itself sets inline styles; the next test goes round without it, under the policy.
    page = page_factory(color_scheme=scheme, viewport=size, bypass_csp=True)
    enter(page, shared_hub)
    problems = []
    for name, path in addresses.items():
        page.goto(shared_hub.base_url + path)
        if (width := page.evaluate("document.documentElement.scrollWidth")) > size["width"]:
            problems.append(f"{name} is {width} wide")
        problems += [f"{name}: {text}" for text in violations(page)]
    assert not problems, "\n".join(problems)


def violations(page: Page) -> list[str]:
    """What axe finds wrong with a page."""
    found = Axe().run(page, options=ACCESSIBLE).response["violations"]
    return [
        f"{violation['id']} {node['target']} {node['any'][:1]}"
        for violation in found
        for node in violation["nodes"]
    ]


def test_pages__under_the_content_security_policy__complain_of_nothing(
    shared_hub: HubProcess, page_factory: PageFactory, addresses: dict[str, str]
) -> None:
    page = page_factory()
    enter(page, shared_hub)
    for path in addresses.values():
        answer = page.goto(shared_hub.base_url + path)
        assert answer is not None
        assert answer.status == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe-inline" not in policy
