"""The page at /, in a real browser: what it shows of real rows and workers, what it lets whom do, and that nothing in
a row does anything there."""

import contextlib
import json
import re
import threading

import pytest
from selenium.webdriver.common.keys import Keys

import harness
from browser import Browser
from harness import MdpWorker, wait_for
from http_helper import TOKENS, HttpHelper, http_of, token_file

QUICK = {"attempts": 2, "backoff.first": "10ms", "backoff.max": "20ms"}
HOSTILE = ("</title></style><script>window.pwned = 1</script><img src=x onerror=\"window.pwned = 2\">"
           "<svg onload=\"window.pwned = 3\"> \u202egnihton\u202c \x1b[2J\x1b]0;owned\x07 javascript:window.pwned=4")
SHOWN = "<img src=x onerror=\"window.pwned = 2\">"
POLICY = {"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'",
          "img-src": "'self' data:", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
          "require-trusted-types-for": "'script'"}
VIEWS = ("overview", "workers", "events", "dead", "query")


def answer(query, go):
    """What comes of a question is in it: a failure first, nothing but failures, an answer when GO is set."""
    question = query.json["question"]
    if "wait" in question:
        go.wait(harness.WAIT)
    if "die" in question or ("twice" in question and query.attempt == 1):
        return {"type": "error", "error": f"no model for {question}", "retry": "die" not in question}
    return {"answer": f"re: {question}"}


class House:
    """A gateway with the page, a bridge and a worker."""

    def __init__(self, site, *options):
        self.site = site
        self.bridge = site.bridge()
        self.gateway = site.serve(self.bridge, "--http", "127.0.0.1:0", *options, settings=QUICK)
        self.http = http_of(self.gateway)
        self.url = self.http.url
        self.go = threading.Event()
        self.worker = site.answerer(self.bridge, answer=lambda query: answer(query, self.go), name="w1")

    @contextlib.contextmanager
    def feed(self):
        """What the page is fed: (name, value) one after the other."""
        def events(lines):
            name = ""
            for line in lines:
                word, _, rest = line.decode().rstrip("\n").partition(": ")
                name = rest if word == "event" else name
                if word == "data":
                    yield name, json.loads(rest)

        connection = self.http.connect()
        connection.request("GET", "/page/feed")
        with contextlib.closing(connection), connection.getresponse() as lines:
            yield events(lines)


@pytest.fixture(scope="module", name="browser")
def make_browser():
    made = Browser()
    yield made
    made.close()


@pytest.fixture(scope="module", name="house")
def make_house(shared_site):
    return House(shared_site)


# what everybody gets


def test_the_page_comes_from_here_alone_and_is_sent_once(house):
    page = house.http.get("/")
    assert page.status == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert house.http.get("/", If_None_Match=page.headers["etag"]).status == 304
    files = re.findall(r'(?:href|src)="([^"#]+)"', page.body.decode())
    assert "/page/page.js" in files and all(file.startswith("/page/") or file == "data:," for file in files)
    for file in [file for file in files if file.startswith("/")]:
        got = house.http.get(file)
        assert got.status == 200 and b"://" not in got.body.replace(b"http://www.w3.org/2000/svg", b"")
        assert house.http.ask("HEAD", file).headers["etag"] == got.headers["etag"]
    assert house.http.get("/page/none.js").status == 404
    assert house.http.get("/page/..%2fpage.js").status in (400, 404)


def test_policy_lets_nothing_in_from_elsewhere_and_nothing_inline(house, browser):
    told = house.http.get("/").headers["content-security-policy"]
    assert dict(part.split(" ", 1) for part in told.split("; ")) == POLICY
    browser.open(house.url)
    browser.wait_text("live", "#link")
    assert browser.violations() == []
    browser.run("""
        const one = document.createElement("script");
        one.append("window.pwned = 'inline'");
        document.body.append(one);""")
    refused = browser.run("try { document.body.innerHTML += '<p>x'; return false } catch { return true }")
    assert refused and browser.run("return window.pwned") is None
    assert set(browser.violations()) & {"script-src-elem", "script-src", "require-trusted-types-for"}


# what is shown


def test_a_question_and_its_answer_show_up_while_one_looks(house, browser):
    browser.open(house.url)
    browser.wait_text("live", "#link")
    message_id = house.bridge.ask("is it live?")
    browser.wait_text("re: is it live?", "#latest")
    browser.wait_text(f"#{message_id}", "#latest")
    browser.wait_text("default", "#services")
    wait_for(lambda: browser.text("#figures div:last-child dd") not in ("–", "0"), "the answers to be counted")


def test_events_are_narrowed_by_kind_service_conversation_and_text(house, browser):
    other = house.bridge.converse()
    house.bridge.reply(house.bridge.ask("apples", metadata={"service": "fruit"}))
    house.bridge.reply(house.bridge.ask("pears", metadata={"service": "fruit"}, conversation=other))
    browser.open(house.url + "/#events")
    browser.wait_text("re: pears", "#events-table")
    browser.choose("#events-kind", "response")
    browser.wait_gone("query", "#events-table .badge")
    browser.choose("#events-service", "fruit")
    browser.wait_count("#events-table tbody tr", 2)
    browser.type("#events-conversation", other)
    browser.wait_count("#events-table tbody tr", 1)
    assert "re: pears" in browser.text("#events-table")
    browser.type("#events-text", "APPLE")
    browser.wait_text("No event is like this.", "#events-table")
    browser.wait_text("0 of ", "#events-count")


def test_events_are_sent_or_counted_and_the_last_are_there_for_who_comes_later(house):
    with house.feed() as feed:
        next(feed)
        ids = house.bridge.ask_many([f"one of many {n}" for n in range(500)])
        house.bridge.reply(ids[-1])
        told = 0
        for name, value in feed:
            told += value["count"] if name == "skipped" else int(
                name == "event" and value["event"] in ("query", "response") and value["id"] >= ids[0])
            if told >= 2 * len(ids):
                break
    with house.feed() as feed:
        name, value = next(feed)
        assert name == "hello" and value == {"roles": ["observer", "client"], "tokens": False}
        seen = set()
        for name, value in feed:
            if name == "status":
                break
            seen.add(value.get("id"))
    assert ids[-1] in seen and len(seen) <= 1000


def test_texts_that_are_code_are_shown_and_run_nothing(house, browser):
    message_id = house.bridge.ask(HOSTILE, metadata={"service": HOSTILE[:60].replace("\x1b", "")})
    house.bridge.reply(message_id)
    house.bridge.reply(house.bridge.ask_text(HOSTILE))
    for view in ("overview", "events", f"query/{message_id}"):
        browser.open(f"{house.url}/#{view}")
        seen = browser.wait_text(SHOWN)
        assert "\\u202egnihton\\u202c" in seen and "\u202e" not in seen and "\x1b" not in seen
        assert browser.run("return window.pwned") is None and browser.violations() == []
        assert browser.driver.title.removesuffix("Tailgate") in ("", "Events – ", f"Query {message_id} – ")
        assert not browser.all("main img, main script, main svg[onload]")


def test_the_story_of_a_query_that_was_retried_tells_attempts_worker_and_reply(house, browser):
    message_id = house.bridge.ask("twice, please")
    reply = house.bridge.reply(message_id)
    browser.open(f"{house.url}/#query/{message_id}")
    seen = browser.wait_text("Answered", "#query-story")
    for text in ("answered", "Asked", "Attempt 1 failed", "no model for twice, please", "worker w1", "attempt 2",
                 "waited", "worked", "committed in", f"row {reply['id']}", "re: twice, please", house.bridge.conversation):
        assert text in seen, f"{text!r} is not in the story"
    no_text = {"toString": 1, "valueOf": 1}
    forged = {"in_reply_to": message_id, "attempt": "\u202e2", "worker": no_text,
              "verified": {"principal": "", "name": no_text},
              "failed": [None, 3, {"attempt": HOSTILE}, dict.fromkeys(("attempt", "worker", "reason", "at"), no_text)]}
    house.bridge.run("UPDATE messages SET metadata = ? WHERE id = ?", json.dumps(forged), reply["id"])
    browser.open(f"{house.url}/#query/{message_id}")
    assert "\u202e" not in browser.wait_text("Answered", "#query-story")
    browser.open(f"{house.url}/#query/999999")
    browser.wait_text("There is no query 999999.", "#query")


def test_a_story_goes_on_while_one_looks_at_it(house, browser):
    message_id = house.bridge.ask("wait for it")
    browser.open(f"{house.url}/#query/{message_id}")
    seen = browser.wait_text("Attempt 1 is under way", "#query-story")
    assert "worker w1" in seen and "working" in seen

    other = house.site.mdp(house.bridge, name="w2")  # the first one is busy
    in_parts = house.bridge.ask("in parts")
    query = other.request()
    for part in (b"Here is ", b"an answer ", b"in parts. "):
        other.partial(query.token, part)
    other.final(query.token, "Here is an answer in parts.")
    house.bridge.reply(in_parts)
    browser.go(f"query/{in_parts}")
    seen = browser.wait_text("Answered", "#query-story")
    assert re.search(r"[1-3] parts? of an answer · worker w2", seen)
    other.disconnect()

    browser.go(f"query/{message_id}")
    house.go.set()
    browser.wait_text("re: wait for it", "#query-story")
    browser.wait_gone("under way", "#query-story")


# how it is used


def test_keys_alone_reach_and_open_a_story(house, browser):
    message_id = house.bridge.ask("by key")
    house.bridge.reply(message_id)
    browser.open(house.url)
    browser.wait_text("re: by key", "#latest")
    browser.press(Keys.TAB)
    assert browser.run("return document.activeElement.className") == "skip"
    browser.tab_to("nav a[href='#query']")
    browser.press(Keys.ENTER)
    browser.tab_to("#query-id")
    browser.press(str(message_id), Keys.ENTER)
    browser.wait_text("re: by key", "#query-story")
    browser.tab_to("#query-story summary")
    browser.press(Keys.ENTER)
    browser.wait_text('"question": "by key"', "#query-story details[open]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_fits_a_phone_and_can_be_read(house, browser, scheme):
    message_id = house.bridge.ask("twice and " + "w" * 400)
    house.bridge.reply(message_id)
    browser.open(house.url, 320, 640, scheme)
    browser.wait_text("live", "#link")
    browser.wait_text("default", "#services")
    for view in (*VIEWS, f"query/{message_id}"):
        browser.go(view)
        wait_for(lambda: not browser.find("#" + view.split("/")[0]).get_attribute("hidden"), f"the view {view}")
        if "/" in view:
            browser.wait_text("Answered", "#query-story")
        assert browser.run("return document.documentElement.scrollWidth") <= 320, f"{view} scrolls sideways"
        contrast, text = browser.contrast()
        assert contrast >= 4.5, f"{text!r} has a contrast of {contrast:.2f} in {view}"
    dark = browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(16, 19, 23)"
    assert dark == (scheme == "dark")


def test_everything_has_a_name_for_who_cannot_see_it(house, browser):
    browser.open(house.url)
    browser.wait_text("default", "#services")
    nameless = browser.run("""
        const named = (one) => (one.getAttribute("aria-label") || one.getAttribute("aria-labelledby") || one.innerText
                                || one.labels?.length || "");
        return [...document.querySelectorAll("button, a, input, select, svg, section[aria-labelledby], nav, dialog")]
          .filter((one) => !named(one) && !one.textContent.trim()).map((one) => one.outerHTML)
          .concat([...document.querySelectorAll("table")].filter((one) => !one.caption).map((one) => one.outerHTML))
          .concat([...document.querySelectorAll("th:not([scope])")].map((one) => one.outerHTML));""")
    assert nameless == []
    assert browser.run("return document.querySelectorAll('main, header, nav, footer, h1').length") == 5
    wait_for(lambda: re.search(r"queries: [0-9.]+ now", browser.find("#plots svg").get_attribute("aria-label")),
             "the plot's numbers to be in its words")
    assert browser.find("#events-table").get_attribute("aria-live") is None


def test_two_hundred_workers_are_counted_filtered_and_ordered(house, browser):
    crowd = [MdpWorker(house.site.context, house.bridge.gate, "crowd", name=f"m{n:03}", slots=1 + n % 7,
                       heartbeats=True, interval=60000)
             for n in range(200)]
    try:
        browser.open(house.url + "/#workers")
        browser.wait_text("201 workers", "#workers-count")
        browser.wait_count("#workers-table tbody tr", 201)
        browser.type("#workers-filter", "M01")
        browser.wait_count("#workers-table tbody tr", 10)
        browser.wait_text("10 of 201 workers", "#workers-count")
        browser.choose("#workers-service", "crowd")
        browser.type("#workers-filter", "")
        browser.click("#workers-table th:nth-child(5) button")
        wait_for(lambda: browser.text("#workers-table tbody tr:first-child .c-slots") == "7", "the most slots first")
        assert browser.find("#workers-table th:nth-child(5)").get_attribute("aria-sort") == "descending"
    finally:
        for worker in crowd:
            worker.disconnect()
            worker.close()


# what may be done


def test_a_dead_letter_is_asked_again_by_an_operator_and_nobody_else(site, browser):
    house = House(site, "--http-tokens", token_file(site))
    many = [house.bridge.ask("die") for _ in range(30)]
    for dead in many:
        house.bridge.reply(dead)
    path = f"/page/dead/{dead}/redrive"
    for token, status in ((None, 401), (TOKENS["observer"], 403), (TOKENS["client"], 403)):
        assert house.http.ask("POST", path, "{}", token, Content_Type="application/json").status == status
    assert house.http.get("/page/dead").status == 401
    assert house.http.get("/page/dead", token=TOKENS["observer"]).status == 200

    browser.open(house.url + "/#dead")
    browser.wait_text("This gateway wants a token.", "#token")
    assert browser.text("#notice") == "Token needed: nothing is shown without it."
    browser.type("#token-input", TOKENS["client"])
    browser.press(Keys.ENTER)
    browser.wait_text("no token of an observer", "#token")
    browser.type("#token-input", TOKENS["observer"])
    browser.press(Keys.ENTER)
    browser.wait_text("no model for die", "#dead-table")
    assert not browser.all("#dead-table button:not(.sort)")

    browser.click("#token-button")
    browser.type("#token-input", TOKENS["operator"])
    browser.press(Keys.ENTER)
    browser.click("#dead-table .c-again button")
    browser.wait_text(f"Ask query {dead} again?", "#confirm")
    browser.click("#confirm-no")
    browser.click("#dead-table .c-again button")
    browser.click("#confirm-yes")
    said = browser.wait_text("is asked again", "#dead-said")
    new = int(re.search(r"query (\d+)$", said).group(1))
    assert json.loads(house.bridge.row(new)["message"])["question"] == "die"
    assert json.loads(house.bridge.row(new)["metadata"])["redrive_of"] == dead
    browser.wait_text(f"as #{new}", "#dead-table")
    assert browser.run("return performance.getEntriesByType('resource').filter("
                       "(one) => one.name.endsWith('/page/dead')).length") < 10, "asked for each that is dead"
    assert TOKENS["operator"] not in browser.run(
        "return document.documentElement.outerHTML + document.cookie + location.href")


def test_a_gateway_that_is_away_is_said_with_the_reason_and_its_return_is_noticed(site, browser):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    http = HttpHelper(site, bridge)
    browser.open(http.url)
    browser.wait_text("live", "#link")
    gateway.stop()
    browser.wait_text("gateway away", "#link")
    browser.wait_text("the gateway does not answer", "#notice")
    browser.go("#dead")
    browser.wait_text("The list is not to be had", "#dead-said")
    assert "No query is dead" not in browser.text()
    site.serve(bridge)
    browser.wait_text("live", "#link")
    browser.wait_text("No query is dead", "#dead")  # what was not to be had is asked for again
    assert not browser.find("#notice").is_displayed()
    http.stop()
    browser.wait_text("reconnecting", "#link")
