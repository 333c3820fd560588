"""What the site has beside the files of docs/: pages that stand elsewhere, and files that pages link to.

Pages link to each other as a reader of the repository needs it, relative to where they lie. In the site README.md
is the first page, RESULTS.md and others are pages too, and a linked source file is a text beside them.
"""

import re
import shutil
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
ROOMS = ("analysis", "archs", "bench", "reports")
ELSEWHERE = ("README.md", "RESULTS.md", "CHANGELOG.md", "CONTRIBUTING.md")
LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))|(?<=\bsrc=\")[^\"]+(?=\")")
OUTSIDE = re.compile(r"[a-z]+:|#")  # what leads to no file
FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
OFFERED = re.compile(r"^- `(skipbench[.\w]*)`.*$", re.MULTILINE)  # what the pages of the API list


def on_startup(command: str, dirty: bool) -> None:
    """Copy the rooms under the names that they are installed by, before mkdocstrings looks for them."""
    names, skip = ROOT / "build" / "api" / "skipbench", shutil.ignore_patterns("__pycache__")
    shutil.rmtree(names, ignore_errors=True)
    shutil.copytree(ROOT / "skipbench", names, ignore=skip)
    for room in ROOMS:
        shutil.copytree(ROOT / room, names / room, ignore=skip)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand elsewhere, and the files that any page links to."""
    elsewhere = [*(ROOT / name for name in ELSEWHERE), *sorted((ROOT / "benchmarks").glob("*.md"))]
    for path in elsewhere:
        place = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        files.append(File.generated(config, _in_site(place), content=text))
    for place in sorted({target for page in files.documentation_pages() for target in _linked(page)}):
        if (ROOT / place).is_file() and files.get_file_from_path(_in_site(place)) is None:
            files.append(File.generated(config, _in_site(place), content=(ROOT / place).read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages, and listed names into their words."""
    here = page.file.src_uri

    def turned(match: re.Match[str]) -> str:
        if OUTSIDE.match(match[0]):
            return match[0]
        target, hash_mark, anchor = match[0].partition("#")
        return relpath(_in_site(_resolved(target, here)), PurePosixPath(here).parent) + hash_mark + anchor

    parts = FENCED.split(markdown)
    parts[::2] = [LINK.sub(turned, part) for part in parts[::2]]
    text = "".join(parts)
    return OFFERED.sub(r"::: \1\n", text) if here.startswith("api/") else text


def _in_site(place: str) -> str:
    """Return where a file of the repository lies in the site's sources."""
    if place == "README.md":
        return "index.md"
    if place.startswith("docs/"):
        return place.removeprefix("docs/")
    return place if place.endswith(".md") else f"files/{place}.txt"


def _in_repository(here: str) -> str:
    """Return where a page of the site lies in the repository."""
    if here == "index.md":
        return "README.md"
    return here if here in ELSEWHERE or here.startswith("benchmarks/") else f"docs/{here}"


def _resolved(target: str, here: str) -> str:
    """Return which file of the repository a link leads to."""
    return normpath(PurePosixPath(_in_repository(here)).parent / target)


def _linked(page: File) -> set[str]:
    """Return the files of the repository that a page links to."""
    prose = "".join(FENCED.split(page.content_string)[::2])
    targets = [target for target in LINK.findall(prose) if not OUTSIDE.match(target)]
    return {_resolved(target.partition("#")[0], page.src_uri) for target in targets}
