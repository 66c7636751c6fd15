"""Debian's Chromium without a screen, as a person uses it: by what is on the page, keys and clicks."""

import shutil
import tempfile

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from process import WAIT, wait_for

SWITCHES = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--hide-scrollbars")
# Before anything of a page runs: what its policy refuses is written down.
WITNESS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.effectiveDirective));
"""
# The lowest contrast (WCAG 2, 1.4.3) of a text that is shown, and the text.
CONTRAST = """
const number = (text) => text.match(/[0-9.]+/g).map(Number);
const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const light = ([r, g, b]) => [r, g, b].map((v) => linear(v / 255))
  .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
const ground = (node) => {
  for (; node; node = node.parentElement) {
    const color = number(getComputedStyle(node).backgroundColor);
    if (color.length === 3 || color[3] > 0.99) return color;
  }
  return [255, 255, 255];
};
let lowest = [99, ""];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const at = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !at.checkVisibility()) continue;
  if (at.closest("script, noscript, option, .quiet, .skip")) continue;
  const [a, b] = [light(number(getComputedStyle(at).color)), light(ground(at))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < lowest[0]) lowest = [contrast, walker.currentNode.data];
}
return lowest;
"""


class Browser:
    """One browser with a profile of its own; open() gives a page whose storage is empty."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="tgchrome", dir="/tmp")
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for switch in (*SWITCHES, f"--user-data-dir={self.folder}"):
            options.add_argument(switch)
        try:
            self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self.driver.set_page_load_timeout(WAIT)
        self.driver.set_script_timeout(WAIT)
        self.command("Page.addScriptToEvaluateOnNewDocument", source=WITNESS)

    def close(self):
        try:
            self.driver.quit()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, name, **arguments):
        return self.driver.execute_cdp_cmd(name, arguments)

    def open(self, url, width=1200, height=900, scheme="light"):
        self.show(width, height, scheme)
        self.driver.get("about:blank")
        self.driver.get(url)

    def show(self, width, height=900, scheme="light"):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                     mobile=False)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def go(self, view):
        """To another view, as a link does."""
        self.run("location.hash = arguments[0]", view)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector="body"):
        """What is seen of it."""
        return self.run("return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText).join('\\n')",
                        selector)

    def wait_text(self, text, selector="body"):
        def shown():
            seen = self.text(selector)
            return seen if text in seen else None
        return wait_for(shown, f"{text!r} in {selector} of the page")

    def wait_gone(self, text, selector="body"):
        wait_for(lambda: text not in self.text(selector), f"no {text!r} in {selector} of the page")

    def wait_count(self, selector, count):
        wait_for(lambda: len(self.all(selector)) == count, f"{count} of {selector} on the page")

    def click(self, selector):
        """Clicks it when it is there; it may be drawn anew meanwhile."""
        def clicked():
            try:
                found = [one for one in self.all(selector) if one.is_displayed()]
                if found:
                    found[0].click()
                return bool(found)
            except StaleElementReferenceException:
                return False
        wait_for(clicked, f"{selector} to be clicked")

    def type(self, selector, text):
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def choose(self, selector, value):
        """Chooses VALUE in a list as soon as it is offered."""
        def chosen():
            return self.run("const one = document.querySelector(arguments[0]); one.value = arguments[1];"
                            "one.dispatchEvent(new Event('input', {bubbles: true}));"
                            "return one.value === arguments[1];", selector, value)
        wait_for(chosen, f"{value!r} to be offered in {selector}")

    def press(self, *keys):
        """Keys, to whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def tab_to(self, selector, most=60):
        """Moves the focus with the Tab key alone until SELECTOR has it; it must then be seen to have it."""
        for _ in range(most):
            self.press(Keys.TAB)
            if self.run("return document.activeElement.matches(arguments[0])", selector):
                style = self.run("const style = getComputedStyle(document.activeElement);"
                                 "return [style.outlineStyle, parseFloat(style.outlineWidth)]")
                assert style[0] != "none" and style[1] >= 2, "the focus is not to be seen"
                return
        raise AssertionError(f"{most} times Tab do not reach {selector}")

    def contrast(self):
        return self.run(CONTRAST)

    def violations(self):
        return self.run("return window.violations")
