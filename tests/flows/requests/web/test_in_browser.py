"""The pages in a real browser: read, decided on by keyboard alone, and closed to the pages of others."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.requests.ledger import service
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import find_request, list_requests, request_history
from flows.requests.ledger.submission import Submission, submit
from flows.requests.web.access import create_token
from flows.requests.web.web_app import make_app
from tests.helpers.ledgers import CLERK
from tests.helpers.listening import listening

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (make install)")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium or chromedriver is missing (Debian: apt install chromium chromium-driver)"
)
WAIT = 20.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1200,900"):
        options.add_argument(option)
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def place(root: Path, ledger: Ledger) -> Iterator[str]:
    """The address of the service of a ledger."""
    with listening(make_app(root, ledger)) as port:
        yield f"http://127.0.0.1:{port}"


def until(condition: Any) -> None:
    """Wait for something, and fail where it does not come."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def press(browser: Any, *keys: str) -> None:
    webdriver.ActionChains(browser).send_keys(*keys).perform()


def go_to(browser: Any, text: str) -> None:
    """Press Tab until what has the focus begins with this text."""
    for _ in range(60):
        press(browser, Keys.TAB)
        if browser.switch_to.active_element.text.startswith(text):
            return
    raise AssertionError(f"{text!r} is not reached by Tab")


def log_in(browser: Any, place: str, token: str) -> None:
    """By keyboard: the field of the token has the focus."""
    browser.delete_all_cookies()
    browser.get(place + "/")
    assert browser.current_url.endswith("/login")
    press(browser, token, Keys.ENTER)
    until(lambda: browser.current_url == place + "/")


def test_request_is_read_and_decided_on_by_keyboard_alone(
    browser: Any, place: str, root: Path, ledger: Ledger, found: None
) -> None:
    name = submit(ledger, Submission("faces", ("<b>F1</b>",)), actor=CLERK).request.id
    service.identify(ledger, name, actor=CLERK)
    log_in(browser, place, create_token(root, "officer"))
    heads = [head.text for head in browser.find_elements(By.TAG_NAME, "h2")]
    assert heads == ["Running now", "Queue: open", "Batches", "New request"]
    assert browser.find_element(By.CSS_SELECTOR, ".cards a[href='/?show=person'] b").text == "1"
    press(browser, Keys.TAB)
    assert browser.switch_to.active_element.text == "To the content", "the way past the header comes first"
    go_to(browser, name)
    press(browser, Keys.ENTER)
    until(lambda: browser.title == name)
    go_to(browser, "Approve")
    press(browser, Keys.ENTER)
    go_to(browser, "Approve")
    press(browser, Keys.ENTER)
    until(lambda: find_request(ledger, name).state == "approved")
    until(lambda: "approved" in browser.find_element(By.CSS_SELECTOR, ".lead").text)
    steps = [step.text for step in browser.find_elements(By.CSS_SELECTOR, ".timeline strong")]
    assert steps == ["submit", "identify", "resolve", "approve"]
    assert [event.who for event in request_history(ledger, name)][2:] == ["officer", "officer"]
    assert "F1" not in browser.page_source


def test_page_of_somebody_else_changes_nothing(browser: Any, place: str, root: Path, ledger: Ledger) -> None:
    name = submit(ledger, Submission("faces", ("F1",)), actor=CLERK).request.id
    log_in(browser, place, create_token(root, "officer"))
    word = browser.find_element(By.NAME, "form_word").get_attribute("value")
    for port_of in (place, place.replace("127.0.0.1", "localhost")):
        page = f"<form method=post action='{port_of}/requests/{name}/identify'><input name=form_word value='{word}'></form>"
        browser.get(f"data:text/html,{page}<script>document.forms[0].submit()</script>")
        until(lambda: "may not ask this server" in browser.page_source)
    browser.get(place + "/")
    call = "return fetch('/requests', {method: 'POST', body: new URLSearchParams({names: 'x'})}).then(a => a.status, e => 0)"
    assert browser.execute_script(call) in (403, 0), "without the word of the page, or by a script"
    assert find_request(ledger, name).state == "received" and len(list_requests(ledger).requests) == 1


def test_pages_fit_a_telephone_and_run_no_script(browser: Any, place: str, root: Path, ledger: Ledger) -> None:
    name = submit(ledger, Submission("faces", ("F1",)), actor=CLERK).request.id
    log_in(browser, place, create_token(root, "<img src=x onerror=alert(1)>"))
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        for path in ("/", "/?show=overdue", f"/requests/{name}", "/requests/R-999999"):
            browser.get(place + path)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 390, path
            assert browser.find_elements(By.CSS_SELECTOR, "script, main img") == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
