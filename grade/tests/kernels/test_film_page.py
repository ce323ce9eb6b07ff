"""The film's page in a browser: no complaint of the browser's, the keys move the film, and what it
shows is what the data says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from grade.film import page
from grade.tests.kernels.test_film import film, hostile, registers_before

WIDE, NARROW = (1280, 800), (400, 900)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = Options()
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(shutil.which("chromedriver") or "chromedriver")
    driver = webdriver.Chrome(service=service, options=options)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return film(6, "int80")


def show(browser: webdriver.Chrome, text: str, directory: Path, link: str = "") -> None:
    """Open a page; the browser must have nothing to complain of."""
    file = directory / "film.html"
    file.write_text(text, encoding="utf-8")
    browser.get("about:blank")  # a new step in the link alone would not load the page again
    browser.get(f"file://{file}#{link}")
    assert not browser.get_log("browser")


def press(browser: webdriver.Chrome, *keys: str) -> str:
    """Press keys together; the link afterwards."""
    actions = ActionChains(browser)
    for key in keys[:-1]:
        actions.key_down(key)
    actions.send_keys(keys[-1])
    for key in keys[:-1]:
        actions.key_up(key)
    actions.perform()
    return str(browser.current_url).partition("#")[2]


def shown_registers(browser: webdriver.Chrome) -> dict[str, str]:
    names = {"gs": "gs_base", "k_gs": "k_gs_base", "fs": "fs_base"}
    rows = browser.find_elements(By.CSS_SELECTOR, "#registers tr:not(.gap)")
    cells = [(row.find_element(By.TAG_NAME, "th").text,
              row.find_element(By.CLASS_NAME, "value").text) for row in rows]
    return {names.get(name, name): value for name, value in cells if "." not in name}


def test_keys_move_the_film(browser: webdriver.Chrome, made: dict[str, Any], tmp_path: Path
                            ) -> None:
    browser.set_window_size(*WIDE)
    show(browser, page.page(made), tmp_path)
    assert press(browser, Keys.ARROW_RIGHT) == "doors,2"
    assert press(browser, Keys.ARROW_LEFT) == "doors,1"
    marks = sorted({each["step"] + 1 for each in made["landmarks"]})
    assert [press(browser, Keys.SHIFT, Keys.ARROW_RIGHT) for _ in marks[:3]] == [
        f"doors,{step}" for step in marks[:3]]
    assert press(browser, "3") == f"instructions,{marks[2]}"
    assert press(browser, Keys.END) == f"instructions,{len(made['steps'])}"
    assert made["ending"]["words"] in browser.find_element(By.ID, "sentence").text
    assert not browser.get_log("browser")


def test_the_page_shows_the_data(browser: webdriver.Chrome, made: dict[str, Any], tmp_path: Path
                                 ) -> None:
    browser.set_window_size(*WIDE)
    for number in (1, 20, len(made["steps"]) - 2):
        show(browser, page.page(made), tmp_path, f"instructions,{number}")
        state, step = registers_before(made, number), made["steps"][number - 1]
        assert shown_registers(browser).items() == {
            name: state[name].rjust(16, "0") for name in shown_registers(browser)}.items()
        assert step["say"] in browser.find_element(By.ID, "sentence").text
        code = made["code"][step["at"]]
        now = browser.find_element(By.CSS_SELECTOR, "#source .now")
        assert now.text.split()[0] == str(code["line"])


def test_it_fits(browser: webdriver.Chrome, made: dict[str, Any], tmp_path: Path) -> None:
    for width, height in (WIDE, NARROW):
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        show(browser, page.page(made), tmp_path, "doors,40")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_hostile_text_is_shown_as_text(browser: webdriver.Chrome, made: dict[str, Any],
                                       tmp_path: Path) -> None:
    browser.set_window_size(*WIDE)
    show(browser, page.page(hostile(made)), tmp_path, "instructions,20")
    assert "</script><script>" in browser.find_element(By.TAG_NAME, "h1").text
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 2
    assert not browser.find_elements(By.CSS_SELECTOR, "b")
