"""The page in a real browser: what is clicked and typed does what it should, for everybody, and asks no network."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from skipbench.reports import write_report

CHROMIUM = Path("/usr/bin/chromium")  # Debian's: apt-get install chromium
REQUIRED = "SKIPBENCH_BROWSER" in os.environ  # set by .ci/run: without Chromium the tests fail, not skip
DESKTOP, PHONE = {"width": 1400, "height": 900}, {"width": 400, "height": 800}
HOSTILE = "<img src=x onerror=alert(1)> & </script>\u2028 / add"
ARMS = ("unet / concat_wide", "unet / add", "fpn / add", HOSTILE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium once."""
    if not CHROMIUM.exists():
        why = f"there is no Chromium at {CHROMIUM}, so the page was not tried in a browser"
        (pytest.fail if REQUIRED else pytest.skip)(why)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def report(made_up) -> Path:
    """The page of a run of two tasks, with a name that would be a script if it could."""
    studies = (("segmentation", "shapes"), ("pose", "shapes"))
    return write_report(
        made_up(arms=ARMS, studies=studies, seeds=range(6), suite={"name": "tried", "question": "<b>Which?</b>"})
    )


@pytest.fixture
def opened(browser, report) -> Iterator[Callable[..., Page]]:
    """Open the page in a window; afterwards the console must be empty, and nothing asked of a network."""
    contexts, complaints, requests = [], [], []

    def open_page(**window) -> Page:
        contexts.append(browser.new_context(**{"viewport": DESKTOP, **window}))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(report.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


def table(page: Page, caption: str) -> Locator:
    """Return the table of a caption that is in sight."""
    return page.locator("table:visible").filter(has_text=caption).first


def first_cells(table: Locator) -> list[str]:
    """Return the first cell of each row in sight."""
    return table.locator("tbody tr:visible th").all_inner_texts()


def scores(table: Locator, column: int) -> list[float]:
    """Return the numbers of a column, counted from the first after the rows' headings."""
    return [float(text) for text in table.locator(f"tbody tr:visible td:nth-of-type({column})").all_inner_texts()]


def drawn(page: Page, section: str) -> Locator:
    """Return the charts of a section, scrolled to and drawn."""
    figure = page.locator(f"#{section} figure.chart:visible").first
    figure.scroll_into_view_if_needed()
    expect(figure.locator(".plot svg").first).to_be_visible()
    return figure


def test_a_heading_sorts_both_ways_and_names_stay_text(opened):
    page = opened()
    assert page.locator("h1").inner_text() == "<b>Which?</b>"
    accuracy = table(page, "one value per run")
    assert HOSTILE.replace("\u2028", "") in [cell.replace("\u2028", "") for cell in first_cells(accuracy)]
    heading = accuracy.get_by_role("button", name="Mean mIoU (%)")
    heading.press("Enter")  # a button's click that needs no place: charts above may just be drawn
    assert scores(accuracy, 2) == sorted(scores(accuracy, 2))
    assert accuracy.locator("th[aria-sort=ascending]").inner_text() == "Mean mIoU (%)"
    heading.press("Enter")
    assert scores(accuracy, 2) == sorted(scores(accuracy, 2), reverse=True)


def test_words_leave_the_rows_that_have_them(opened):
    page = opened()
    page.locator("#records summary").press("Enter")
    records = page.locator("#records table")
    everything = len(first_cells(records))
    page.locator("#records").get_by_role("searchbox").fill("unet latency")
    assert len(first_cells(records)) == 2 * 2  # arms and tasks
    page.locator("#records").get_by_role("searchbox").fill("")
    assert len(first_cells(records)) == everything == 4 * 2 * (2 + 6)


def test_an_arm_that_is_switched_off_is_gone_from_every_table_and_chart(opened):
    page = opened()
    figure = drawn(page, "accuracy")
    assert figure.locator("svg .annotation").filter(has_text="fpn / add").count() == 1
    page.get_by_role("checkbox", name="fpn / add").uncheck()
    expect(figure.locator("svg .annotation").filter(has_text="fpn / add")).to_have_count(0)
    expect(figure.locator("svg .annotation").filter(has_text="unet / add")).not_to_have_count(0)
    assert (
        page.locator("tbody tr:visible").filter(has=page.locator("th", has_text=re.compile(r"^fpn / add$"))).count()
        == 0
    )
    assert "fpn / add" not in drawn(page, "tradeoff").locator(".legend").text_content()
    page.get_by_role("button", name="All", exact=True).click()
    assert "fpn / add" in first_cells(table(page, "one value per run"))


def test_a_tab_chooses_the_task_in_every_section_also_by_key(opened):
    page = opened()
    tabs = page.locator("#accuracy [role=tab]")
    assert tabs.all_inner_texts() == ["segmentation on shapes", "pose on shapes"]
    assert not page.locator("#pose-on-shapes-cost").is_visible()
    tabs.first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#pose-on-shapes-cost").is_visible()
    assert not page.locator("#segmentation-on-shapes-accuracy").is_visible()
    assert tabs.nth(1).get_attribute("aria-selected") == "true"
    assert page.evaluate("document.activeElement.textContent") == "pose on shapes"


def test_axes_are_chosen(opened):
    page = opened()
    figure = drawn(page, "tradeoff")
    expect(figure.locator(".xtitle")).to_have_text("MACs (G)")
    figure.get_by_label("x axis").select_option(label="Parameters (M)")
    expect(figure.locator(".xtitle")).to_have_text("Parameters (M)")
    figure.get_by_label("y axis").select_option(label="Boundary F (%)")
    expect(figure.locator(".ytitle")).to_have_text("Boundary F (%)")


def test_a_number_leads_to_its_records(opened):
    page = opened()
    table(page, "one value per run").get_by_role("link", name="fpn / add").press("Enter")
    rows = page.locator("#records tbody tr:visible")
    expect(rows.first).to_be_in_viewport()
    assert rows.count() == 2 + 6
    assert set(page.locator("#records tbody tr:visible td:nth-of-type(1)").all_inner_texts()) == {"fpn / add"}
    assert set(page.locator("#records tbody tr:visible td:nth-of-type(2)").all_inner_texts()) == {
        "segmentation on shapes"
    }


def test_everything_is_reached_by_key(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"
    reached = set()
    for _ in range(400):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.type || document.activeElement.tagName.toLowerCase()"))
    assert {"button", "checkbox", "a", "summary", "figure", "select-one"} <= reached


def test_colours_follow_the_system_and_the_switch(opened):
    page = opened(color_scheme="dark")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    assert page.evaluate(background) == "rgb(20, 24, 28)"
    page.get_by_role("button", name="Switch to light colours").click()
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    page.get_by_role("button", name="Switch to dark colours").click()
    page.emulate_media(media="print")
    assert page.evaluate(background) == "rgb(255, 255, 255)"


@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_is_wider_than_the_screen(opened, window):
    page = opened(viewport=window)
    for section in ("answer", "accuracy", "tradeoff", "curves"):
        figure = drawn(page, section)
        assert figure.bounding_box()["width"] <= window["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= window["width"]


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing(opened, colours):
    page = opened(color_scheme=colours)
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    for section in ("answer", "accuracy", "tradeoff", "latency", "curves"):
        drawn(page, section)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_without_scripts_and_in_print_there_are_pictures(browser, report, opened):
    plain = browser.new_context(java_script_enabled=False, viewport=DESKTOP)
    page = plain.new_page()
    page.goto(report.as_uri())
    assert (
        page.locator("figure.chart img:visible").count()
        == page.locator("figure.chart").count() - page.locator("details figure.chart").count()
    )
    assert page.locator("#pose-on-shapes-accuracy table").first.is_visible()
    assert not page.locator("#arms").is_visible()
    plain.close()
    page = opened()
    drawn(page, "accuracy")
    page.emulate_media(media="print")
    assert page.locator("#accuracy figure.chart img:visible").count() >= 2  # of both tasks
    assert page.locator(".plot:visible").count() == 0


def test_pictures_leave_out_arms_that_are_off(opened):
    page = opened()
    figure = page.locator("#cost figure.parted:visible").first
    whole = figure.locator("img").bounding_box()["height"]
    page.get_by_role("checkbox", name="fpn / add").uncheck()
    expect(figure.locator("img")).to_be_hidden()
    parts = figure.locator(".parts")
    expect(parts).to_be_visible()
    assert parts.get_attribute("aria-label") == figure.locator("img").get_attribute("alt")
    one = whole - parts.bounding_box()["height"]
    assert 0.02 * whole < one < 0.3 * whole
    page.get_by_role("checkbox", name="unet / add").uncheck()
    assert whole - parts.bounding_box()["height"] == pytest.approx(2 * one, abs=2)
    page.get_by_role("button", name="All").click()
    expect(figure.locator("img")).to_be_visible()
    assert figure.locator(".parts").count() == 0
    for section in ("groups", "cost"):
        assert page.locator(f"#{section} figure.parted").count() == 2  # of two tasks


def test_arms_that_are_off_stay_off_when_the_page_is_loaded_again(opened):
    page = opened()
    page.get_by_role("checkbox", name="fpn / add").uncheck()
    page.reload()
    expect(page.get_by_role("checkbox", name="fpn / add")).not_to_be_checked()
    expect(page.get_by_role("checkbox", name="unet / add")).to_be_checked()
    expect(page.locator("#cost figure.parted:visible").first.locator(".parts")).to_be_visible()
    assert "fpn / add" not in first_cells(table(page, "one value per run"))
    page.get_by_role("button", name="All").click()
    page.reload()
    expect(page.get_by_role("checkbox", name="fpn / add")).to_be_checked()
