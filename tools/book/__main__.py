"""make book: gather the pages in build/pages, and let Sphinx make build/book/index.html of them.
make chapters: write what the chapters quote from the sources anew."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from grade.tree import ROOT
from tools import command
from tools.book import excerpts
from tools.book.pages import gather
from tools.command import Refusal

NEEDED = ("import sphinx, myst_parser, furo",
          "The book is made by Sphinx, MyST and furo, and they are not all here: make setup book")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make book", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build/book")
    parser.add_argument("--pages", type=Path, default=ROOT / "build/pages")
    parser.add_argument("--builder", default="html", help="one of Sphinx's")
    parser.add_argument("--chapters", action="store_true", help="only write the excerpts anew")
    arguments = parser.parse_args()
    if arguments.chapters:
        for path in excerpts.refresh():
            print(f"{path.relative_to(ROOT)} has changed")
        return 0
    look_for_tools()
    gather(arguments.pages)
    status = sphinx(arguments.builder, arguments.pages, arguments.out)
    if status == 0:
        print(f"{arguments.out}/index.html")
    return min(status, 1)


def look_for_tools() -> None:
    """Say before the work what is missing."""
    program, words = NEEDED
    if subprocess.run([sys.executable, "-c", program], stderr=subprocess.DEVNULL).returncode:
        raise Refusal(words)
    if not shutil.which("dot"):
        raise Refusal("the maps of the files are drawn by graphviz, which is not here: "
                      "make setup book")


def sphinx(builder: str, pages: Path, out: Path) -> int:
    """Every warning is an error: a link that leads nowhere is one."""
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-j", "auto", "-b", builder,
         "-d", str(pages.parent / f"{pages.name}.doctrees"), str(pages), str(out)],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}).returncode


if __name__ == "__main__":
    command.run("make book", main)
