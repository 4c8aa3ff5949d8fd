"""Which tab leads where there are no Web Locks, or nothing at all by which tabs could talk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.helpers.waiting import wait_until
from tests.pages.scripts import call, script_page

pytestmark = [pytest.mark.browser, pytest.mark.shape("embedded")]

# Two channels of one page hear each other as those of two pages do. All stand at one moment, and with the
# same pause.
STAND = """async ({openElection}, count) => {
  Math.random = () => 0;
  delete Navigator.prototype.locks;
  globalThis.told = [];
  globalThis.elections = Array.from({length: count}, (_, index) => openElection("tabs", {
    lead: () => told.push(["lead", index]),
    resign: () => told.push(["resign", index]),
  }));
  globalThis.leaders = () => elections.flatMap((election, index) => (election.isLeading ? [index] : []));
  for (const election of elections) election.start();
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with script_page(browser) as blank:
        yield blank


def settled(page: Page, count: int) -> list[int]:
    """Who leads once as many lead as should, and everything that was posted has been heard."""

    def leaders() -> list[int]:
        found: list[int] = page.evaluate("leaders()")
        return found

    wait_until(lambda: len(leaders()) == count, what="one leader")
    page.evaluate("""() => new Promise((done) => {
      const [here, there] = [new BroadcastChannel("last"), new BroadcastChannel("last")];
      there.onmessage = done;
      here.postMessage("heard");
    })""")
    return leaders()


def test_tabs__that_all_win_at_once__agree_on_one(page: Page) -> None:
    call(page, "election.js", STAND, 7)
    (first,) = settled(page, 1)
    told = page.evaluate("told")
    assert [entry for entry in told if entry[0] == "lead"]
    # Whoever led for a moment has resigned, and nobody else.
    assert {index for word, index in told if word == "lead"} - {
        index for word, index in told if word == "resign"
    } == {first}


def test_leader__that_goes__is_followed_by_another(page: Page) -> None:
    call(page, "election.js", STAND, 3)
    (first,) = settled(page, 1)
    page.evaluate("(index) => elections[index].stop()", first)
    (second,) = settled(page, 1)
    assert second != first


def test_leader__that_answers__stays_whatever_others_think(page: Page) -> None:
    call(page, "election.js", STAND, 3)
    (first,) = settled(page, 1)
    page.clock.install()
    page.evaluate(
        "(first) => elections.forEach((election, index) => index === first || election.challenge())", first
    )
    settled(page, 1)
    page.clock.run_for(10_000)
    assert settled(page, 1) == [first]


def test_tab__that_cannot_hear_of_others__leads_while_it_is_looked_at(page: Page) -> None:
    page.evaluate("() => { delete globalThis.BroadcastChannel; }")
    call(page, "election.js", STAND, 1)
    assert page.evaluate("told.splice(0)") == [["lead", 0]]
    page.evaluate("elections[0].visibilityChanged(false)")
    page.evaluate("elections[0].visibilityChanged(true)")
    assert page.evaluate("told.splice(0)") == [["resign", 0], ["lead", 0]]
    page.evaluate("elections[0].stop()")
    assert page.evaluate("told.splice(0)") == [["resign", 0]]
