"""The page in a real browser: click, correct, export, save, cancel, two tabs, a broken file."""

import os
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import motes
from motes import Tracks
from motes.tracking.parts import track_in_parts
from motes.web.points import cross_fade
from motes.web.settings import Settings
from web.conftest import SECONDS, H, T, W, running, wait_for, write_clip

BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
PICTURES = os.environ.get("MOTES_SCREENSHOTS")
"""Folder for the screenshots of the docs; by default they are thrown away."""

MARGIN = 20  # of the picture in the stage

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def browser():
    path = next((p for p in BROWSERS if Path(p).exists()), None)
    if path is None:
        pytest.skip(f"no browser: expected one of {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def tab(browser, address, size=(1280, 720)):
    """A page that must not report an error."""
    viewport = {"width": size[0], "height": size[1]}
    context = browser.new_context(viewport=viewport, reduced_motion="reduce")
    context.set_default_timeout(1000 * SECONDS)
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def page(browser, host):
    for id in list(host.server.studio.documents):
        host.call("DELETE", f"documents/{id}")
    with tab(browser, host.address) as page:
        yield page


def open_clip(page, name="clip.mp4"):
    page.get_by_text(name, exact=True).click()
    shows(page, 0)


def shows(page, frame):
    page.wait_for_selector(f"#picture[data-frame='{frame}']")


def tracked(page, count):
    page.wait_for_selector(f"#points li:nth-child({count})")
    page.wait_for_selector("body[data-busy='0']")


def on_page(page, x, y, size=(W, H)):
    """Where a position of the video is on the page, while the picture is fitted."""
    box = page.locator("#picture").bounding_box()
    scale = min((box["width"] - 2 * MARGIN) / size[0], (box["height"] - 2 * MARGIN) / size[1])
    return (
        box["x"] + box["width"] / 2 + (x + 0.5 - size[0] / 2) * scale,
        box["y"] + box["height"] / 2 + (y + 0.5 - size[1] / 2) * scale,
    )


def drag(page, start, end, size=(W, H)):
    page.mouse.move(*on_page(page, *start, size))
    page.mouse.down()
    page.mouse.move(*on_page(page, *end, size), steps=4)
    page.mouse.up()


def go_to(page, frame):
    page.fill("#frame", str(frame))
    page.press("#frame", "Enter")
    shows(page, frame)
    page.locator("#picture").focus()


def export(page, kind, folder):
    page.click("#show-export")
    with page.expect_download() as waiting:
        page.click(f"#export-dialog [data-kind='{kind}']")
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    page.keyboard.press("Escape")
    return path


def test_click_correct_and_export(page, folder, tmp_path):
    open_clip(page)
    wanted = [(50, 30), (20, 20), (70, 40)]
    for x, y in wanted:
        page.mouse.click(*on_page(page, x, y))
    tracked(page, 3)
    tracks = Tracks.load(export(page, ".csv", tmp_path))
    np.testing.assert_allclose(tracks.queries, [(0, x, y) for x, y in wanted], atol=0.2)
    session = motes.load("flow").session(folder / "clip.mp4")
    expected = session.track(tracks.queries)
    np.testing.assert_allclose(tracks.xy, expected.xy, atol=2e-3)
    assert np.array_equal(tracks.visible, expected.visible)

    go_to(page, 12)
    page.keyboard.press("v")
    x, y = tracks.xy[0, 12].tolist()
    drag(page, (x, y), (x - 8, y + 5))
    page.wait_for_selector("#keys .key:nth-child(2)")
    tracked(page, 3)
    path = export(page, ".npz", tmp_path)
    corrected = Tracks.load(path)
    keys = [tuple(tracks.queries[0]), (12, *corrected.xy[0, 12])]
    np.testing.assert_allclose(keys[1][1:], (x - 8, y + 5), atol=0.3)
    assert corrected[1:] == tracks[1:] or np.allclose(corrected.xy[1:], tracks.xy[1:], atol=2e-3)
    for first, last in pairwise(keys):
        ahead = Tracks.concat_frames(list(track_in_parts(session, [first])))[:, :13]
        back = list(track_in_parts(session, [last], backward=True))[::-1]
        faded = cross_fade(ahead, Tracks.concat_frames(back))
        np.testing.assert_allclose(corrected.xy[:1, :13], faded.xy, atol=1e-3)

    if ".nk" in motes.export.formats():
        corrected.save(tmp_path / "expected.nk")
        assert export(page, ".nk", tmp_path).read_text() == (tmp_path / "expected.nk").read_text()

    page.keyboard.press("Control+z")
    page.wait_for_selector("#keys .key:nth-child(2)", state="detached")
    page.keyboard.press("Control+Shift+z")
    page.wait_for_selector("#keys .key:nth-child(2)")
    tracked(page, 3)
    assert Tracks.load(export(page, ".npz", tmp_path)) == corrected


def test_keys_tools_and_the_list(page):
    open_clip(page)
    page.locator("#picture").focus()
    for key, frame in (
        ("ArrowRight", 1),
        ("Shift+ArrowRight", 11),
        ("ArrowLeft", 10),
        ("End", T - 1),
    ):
        page.keyboard.press(key)
        shows(page, frame)
    page.mouse.click(*on_page(page, 50, 30))
    tracked(page, 1)
    page.keyboard.press("ArrowLeft")
    shows(page, T - 2)
    page.keyboard.press("Alt+ArrowUp")
    page.wait_for_selector("#keys .key:nth-child(2)")
    page.keyboard.press("Delete")
    page.wait_for_selector("#points li", state="detached")
    page.keyboard.press("b")
    drag(page, (10, 10), (60, 50))
    tracked(page, 2)
    page.click("#points li:nth-child(2)")
    page.keyboard.press("F2")
    page.keyboard.type("wheel")
    page.keyboard.press("Enter")
    page.get_by_role("option", name="wheel").wait_for()
    page.keyboard.press("h")
    page.wait_for_selector("#points li:nth-child(2).hidden-point")
    page.keyboard.press("Delete")
    page.get_by_role("option", name="wheel").wait_for(state="detached")
    page.keyboard.press("m")
    drag(page, (70, 20), (85, 30))
    page.click("#mask-clear")
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keyboard").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("Home")
    shows(page, 0)
    page.keyboard.press("l")
    page.wait_for_selector("#picture[data-frame='3']")
    page.keyboard.press("k")


def test_work_survives_the_tab_and_is_saved(page, folder):
    open_clip(page)
    page.mouse.click(*on_page(page, 50, 30))
    tracked(page, 1)
    page.reload()
    tracked(page, 1)
    page.keyboard.press("Control+s")
    page.get_by_text("Saved as clip.motes").wait_for()
    page.click("#to-home")
    page.locator("#files").get_by_text("clip.motes").click()
    shows(page, 0)
    tracked(page, 1)
    (folder / "clip.motes").unlink()


def test_two_tabs_show_the_same_points(browser, page):
    open_clip(page)
    wait_for(lambda: "#" in page.url)
    with tab(browser, page.url) as other:
        shows(other, 0)
        page.mouse.click(*on_page(page, 50, 30))
        tracked(other, 1)
        other.click("#points li:nth-child(1)")
        other.keyboard.press("Delete")
        page.wait_for_selector("#points li", state="detached")


def test_a_broken_file_is_one_line(page):
    page.get_by_text("broken.mp4", exact=True).click()
    page.get_by_text("broken.mp4: expected a video").wait_for()
    content = {"name": "noise.mp4", "mimeType": "video/mp4", "buffer": bytes(range(256)) * 9}
    page.set_input_files("#file", content)
    page.get_by_text("noise.mp4: expected a video").wait_for()
    open_clip(page)


@pytest.fixture(scope="module")
def long_host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    write_clip(folder / "long.mp4", 2000, (64, 48))
    with running(Settings(folder, model="lk")) as host:
        yield host


def test_a_long_video_can_be_cancelled(browser, long_host):
    with tab(browser, long_host.address) as page:
        open_clip(page, "long.mp4")
        page.keyboard.press("End")
        shows(page, 1999)
        page.click("[data-direction=both]")
        for x in (20, 30, 40):
            page.mouse.click(*on_page(page, x, 20, (64, 48)))
        page.wait_for_selector("#points li:nth-child(3)")
        page.click("#cancel")
        page.wait_for_selector("body[data-busy='0']")
        assert page.locator("#points .busy").count() > 0


def test_screenshots_of_the_demo(browser, tmp_path, tmp_path_factory):
    pictures = Path(PICTURES) if PICTURES else tmp_path
    pictures.mkdir(exist_ok=True)
    folder = tmp_path_factory.mktemp("shown")
    size = (426, 320)
    with running(Settings(folder, model="lk")) as host, tab(browser, host.address) as page:
        page.get_by_text("Track any point").wait_for()
        page.screenshot(path=pictures / "web-start.jpg", quality=88)
        page.click("#demo")
        shows(page, 0)
        for x, y in ((119, 84), (185, 93), (250, 208), (386, 95)):
            page.mouse.click(*on_page(page, x, y, size))
        tracked(page, 4)
        page.keyboard.press("b")
        page.fill("#region-amount", "16")
        drag(page, (230, 150), (276, 196), size)
        tracked(page, 8)
        page.keyboard.press("v")
        page.click("#points li:nth-child(3)")
        go_to(page, 24)
        page.wait_for_selector("#timeline[data-missing='0']")
        page.screenshot(path=pictures / "web.jpg", quality=88)
        page.click("#theme")
        page.screenshot(path=pictures / "web-light.jpg", quality=88)
        page.click("#theme")
        page.click("#show-export")
        page.screenshot(path=pictures / "web-export.jpg", quality=88)
        page.keyboard.press("Escape")
        page.set_viewport_size({"width": 820, "height": 1180})
        page.wait_for_timeout(500)  # the thumbnails of the new width are asked for
        page.wait_for_selector("#timeline[data-missing='0']")
        page.screenshot(path=pictures / "web-tablet.jpg", quality=88)
    assert all(p.stat().st_size > 20_000 for p in pictures.glob("web*.jpg"))
