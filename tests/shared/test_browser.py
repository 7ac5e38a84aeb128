"""The report in a real browser: on a phone, nothing but the boxes that may scroll is wider than the screen."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Trendlab

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
LOCAL = ["--hide-scrollbars", "--allow-file-access-from-files", "--disable-web-security", "--dump-dom"]
# A frame, because a browser window cannot be as narrow as a phone; it hands its title to the page the browser prints.
FRAME = """<iframe src="page.html" width="{width}" height="900" style="border:0"></iframe>
<script>onload = () => {{ document.title = frames[0].document.title; }}</script>"""
MEASURE = """<script>
const wide = [...document.querySelectorAll("main *")].filter(
  (node) => !node.closest(".scroll, pre") && node.getBoundingClientRect().right > innerWidth + 1);
const page = document.documentElement.scrollWidth, image = document.images[0].naturalWidth;
document.title = [innerWidth, page, wide.length, image].join();
</script></html>"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_fits_the_screen(trendlab: Trendlab, tmp_path: Path, width: int) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium here")
    report = Path(trendlab("run", "coins", "--engine", "serial").stdout.splitlines()[-1])
    page = tmp_path / "page.html"
    page.write_text(report.read_text().replace("</html>", MEASURE))
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width))
    command = [browser, *QUIET, *LOCAL, f"--user-data-dir={tmp_path / 'profile'}", frame.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search(r"<title>(\d+),(\d+),(\d+),(\d+)</title>", done.stdout)
    assert found, done.stdout[:500] + done.stderr[-500:]
    inner, scroll, wider, image = map(int, found.groups())
    assert (inner, scroll, wider) == (width, width, 0)
    assert image > 0
