"""The site: it builds strictly, every page is in the navigation, nothing leads nowhere, nothing asks a network."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest
from filelock import FileLock
from playwright.sync_api import sync_playwright

from skipbench import archs

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CHROMIUM = Path("/usr/bin/chromium")
MARKDOWN = [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")]
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


class Links(HTMLParser):
    """What a page of the site asks for, leads to and can be led to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.asked: list[str] = []  # what a browser loads with the page
        self.led: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.led.append(given["href"])
        elif tag == "link" and "canonical" not in given.get("rel", ""):
            self.asked.append(given["href"])
        elif "src" in given:
            self.asked.append(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: MkDocs says nothing and refuses nothing."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "--strict", "--site-dir", str(out)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    (ROOT / "build").mkdir(exist_ok=True)
    with FileLock(ROOT / "build" / "site.lock"):  # the rooms are copied to build/, for whoever builds
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return out


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """docs/generate.py."""
    spec = spec_from_file_location("generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_link_picture_and_anchor_of_the_site_is_there_and_none_is_asked_of_a_network(site: Path) -> None:
    pages = {page: Links(page.read_text(encoding="utf-8")) for page in site.rglob("*.html")}
    home, wrong = pages[site / "index.html"], []
    listed = {(site / unquote(urlsplit(link).path)).resolve() for link in home.led if not urlsplit(link).scheme}
    for page, links in pages.items():
        if page.name == "404.html":
            continue
        if page.resolve() not in listed | {(site / "index.html").resolve()}:
            wrong.append(f"{page} is not in the navigation")
        for link in [*links.asked, *links.led]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                wrong += [f"{page} asks for {link}"] if link in links.asked and parts.scheme != "data" else []
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.is_file():
                wrong.append(f"{page}: {link} is not there")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                wrong.append(f"{page}: {link} has no such anchor")
    assert wrong == []
    assert len(pages) > 90
    for style in site.rglob("*.css"):
        assert not re.search(r"url\((?!data:)[\"']?(https?:)?//", style.read_text(encoding="utf-8"))


def test_links_of_the_repository_lead_to_its_files() -> None:
    wrong = []
    for page in MARKDOWN:
        prose = FENCED.sub("", page.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)\s]+)\)|\bsrc=\"([^\"]+)\"", prose):
            path = "".join(target).partition("#")[0]
            if path and not re.match(r"[a-z]+:", path) and not (page.parent / path).is_file():
                wrong.append(f"{page.relative_to(ROOT)}: {path}")
        wrong += [f"{page.relative_to(ROOT)}: {line}" for line in re.findall(r"^(?:!!!|\?\?\?).*$", prose, re.M)]
    assert wrong == []


@pytest.fixture
def opened(site: Path) -> Iterator[tuple]:
    """The first page in a browser, and what is asked for."""
    if not CHROMIUM.exists():
        why = f"there is no Chromium at {CHROMIUM}, so the site was not tried in a browser"
        (pytest.fail if "SKIPBENCH_BROWSER" in os.environ else pytest.skip)(why)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page, requests, complaints = browser.new_page(), [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((site / "index.html").as_uri())
        yield page, requests, complaints
        browser.close()


def test_the_site_is_searched_without_a_network(opened: tuple) -> None:
    page, requests, complaints = opened
    page.locator(".md-search__input").click()
    page.keyboard.type("Satterthwaite")
    page.locator(".md-search-result__link").first.wait_for()
    assert "What the numbers mean" in page.locator(".md-search-result__link").first.inner_text()
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert complaints == []


def test_the_pages_of_factors_and_names_are_what_is_declared() -> None:
    script = (  # in a process of its own: other tests have registered parts in this one
        "import json, pathlib, generate; costs = pathlib.Path('factors/costs.json').read_text(encoding='utf-8'); "
        "print(json.dumps(generate.pages(json.loads(costs))))"
    )
    made = json.loads(
        subprocess.run([sys.executable, "-B", "-c", script], cwd=DOCS, capture_output=True, check=True).stdout
    )
    stale = [place for place, text in made.items() if (DOCS / place).read_text(encoding="utf-8") != text]
    assert stale == [], "python docs/generate.py"
    there = {
        path.relative_to(DOCS).as_posix() for folder in ("api", "factors") for path in (DOCS / folder).iterdir()
    }
    assert there == {place for place in made if "/" in place} | {"factors/costs.json"}


def test_what_choices_cost_is_what_is_counted(generate: ModuleType) -> None:
    costs = json.loads((DOCS / "factors" / "costs.json").read_text(encoding="utf-8"))
    assert {name: len(choices) for name, (_, _, choices) in generate.COUNTED.items()} == {
        name: len(found) for name, found in costs.items()
    }
    for name, (model, others, choices) in generate.COUNTED.items():
        factors = {"encoder": generate.ENCODER, **others, name: choices[-1]}
        parameters = sum(
            tensor.numel()
            for tensor in archs.blank_model(archs.resolve_spec(model, classes=4, **factors)).parameters()
        )
        assert costs[name][-1]["params"] == parameters, name


def test_parts_that_pages_show_are_those_that_tests_plug_in() -> None:
    for part in (Path(__file__).parent / "parts").glob("*.py"):
        name = "architecture" if part.stem == "preset" else part.stem
        assert f"```python\n{part.read_text()}```" in (DOCS / "extend" / f"{name}.md").read_text(encoding="utf-8")
