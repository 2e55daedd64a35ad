"""The report and the local page in a real browser: seen, clicked, typed, printed, attacked."""

import re
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.corpora.flags import read_flags
from pipeline.output.run.run_file import read_run
from pipeline.report.build import write_report
from pipeline.view.browser import Browser
from pipeline.view.server import serve
from tests.support import chromium, drive
from tests.support.corpora import rows_of

pytestmark = [pytest.mark.faults, chromium.needs_chromium]

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "\"'><svg onload=alert(3)>",
    "{{ 7 * 7 }} ${alert(4)}",
    "مرحبا " * 30,
    "x" * 10_000,
)
SIZES = ((360, 740), (1280, 900), (3840, 2160))
IMAGE = str(drive.IMAGES / "railroad.png")


@pytest.fixture(scope="module")
def browser():
    with chromium.started() as started:
        yield started


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Hostile prompts, labels and columns; edits, mixtures, rejected and failed requests."""
    folder = tmp_path_factory.mktemp("pages")
    rows = [
        {"prompt": prompt, "image": image, "emotion": emotion, "note": prompt[:100]}
        for prompt in HOSTILE
        for image in (None, IMAGE, f"{'nowhere' * 30}.png")
        for emotion in ({"awe": 1.0}, {"<b>rage</b>": 1.0}, {"awe": 0.5, "<b>rage</b>": 0.5})
    ]
    schema = pa.schema(
        [
            ("prompt", pa.string()),
            ("image", pa.string()),
            ("emotion", pa.map_(pa.string(), pa.float64())),
            ("note", pa.string()),
        ]
    )
    pairs = [{**row, "emotion": list(row["emotion"].items())} for row in rows]
    pq.write_table(pa.Table.from_pylist(pairs, schema), folder / "m.parquet")
    taxonomy = 'name = "odd"\nlabels = ["awe", "<b>rage</b>", "fear"]\n'
    taxonomy += 'polarity = [1, -1, -1]\nwheel = ["awe", "<b>rage</b>", "fear"]\n'
    (folder / "odd.toml").write_text(taxonomy)
    out = folder / "out <b>"
    more = ["--set", f"taxonomy={folder / 'odd.toml'}", "--set", "keep_rejected=true"]
    done = drive.run(folder / "m.parquet", out, *more)
    assert done.returncode in (0, 1), done.stderr
    assert {row["status"] for row in rows_of(out)} == {"accepted", "rejected", "failed"}
    write_report(out)
    return out


@pytest.fixture(scope="module")
def address(corpus) -> str:
    """The address of the local page of the corpus."""
    return serve_in_thread(corpus)


def serve_in_thread(corpus: Path) -> str:
    """Serve a corpus until this process ends; returns the page's address."""
    ready, addresses = threading.Event(), []

    def on_start(url: str) -> None:
        addresses.append(url)
        ready.set()

    viewed = Browser(corpus, corpus / "flags.parquet")
    threading.Thread(target=serve, args=(viewed, 0, on_start), daemon=True).start()
    assert ready.wait(60)
    return addresses[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_report_fits_and_is_accessible(browser, corpus, width, height, scheme):
    with chromium.Watched(browser, width, height, scheme) as watched:
        watched.page.goto((corpus / "report.html").as_uri())
        assert watched.is_within_its_width()
        # Charts and pictures are drawn.
        assert watched.page.locator("svg.marks").count() >= 5
        broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
        assert watched.page.evaluate(broken) == 0
        watched.page.evaluate(
            "document.querySelectorAll('details').forEach(d => { d.open = true })"
        )
        assert watched.is_within_its_width()
        assert watched.accessibility_problems() == []
        assert watched.problems == []
        assert [url for url in watched.requests if not url.startswith(("file:", "data:"))] == []


def test_the_report_is_inert(browser, corpus):
    with chromium.Watched(browser) as watched:
        watched.page.goto((corpus / "report.html").as_uri())
        assert watched.page.locator("script, b[onload], img[src='x'], svg[onload]").count() == 0
        text = watched.page.inner_text("main")
        for prompt in HOSTILE[:4]:
            assert prompt in text
        assert "49" not in [part.strip() for part in text.split("\n")]
        assert "<b>rage</b>" in text
        assert "(10,000 characters)" in text
        assert watched.problems == []


def test_the_report_prints_whole(browser, corpus, tmp_path):
    with chromium.Watched(browser) as watched:
        watched.page.goto((corpus / "report.html").as_uri())
        watched.page.pdf(path=tmp_path / "report.pdf", format="A4")
    pages = chromium.text_of_pdf(tmp_path / "report.pdf")
    text = " ".join(" ".join(pages).split())
    assert len(pages) >= 3
    for title in ("At a glance", "Edits beside their sources", "Mixtures", "Settings"):
        assert title in text
    # Of the settings those that were changed, and no others.
    assert "On paper only those are listed" in text
    assert "min_confidence" in text
    assert "method.content_source_similarity" not in text


def test_no_printed_heading_is_left_behind_by_what_it_heads(browser, corpus, tmp_path):
    with chromium.Watched(browser) as watched:
        watched.page.goto((corpus / "report.html").as_uri())
        headings = watched.page.locator("section > h2, section > h3").all_inner_texts()
        # Pages of several heights end at several places.
        for height in (180, 210, 240, 270, 297):
            file = tmp_path / f"{height}.pdf"
            watched.page.pdf(path=file, width="210mm", height=f"{height}mm")
            pages = [page.strip().splitlines() for page in chromium.text_of_pdf(file)]
            assert [lines[-1] for lines in pages if lines[-1].strip() in headings] == []
            assert [lines[0] for lines in pages if re.match(r"\d+ shown;", lines[0])] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_fits_and_is_accessible(browser, address, width, height, scheme):
    with chromium.Watched(browser, width, height, scheme) as watched:
        page = watched.page
        page.goto(address)
        page.wait_for_selector(".tile img[src]")
        assert watched.is_within_its_width()
        assert watched.accessibility_problems() == []
        page.click(".tile img[src]")
        page.wait_for_selector("#sample[open] .pictures")
        assert watched.is_within_its_width()
        assert watched.accessibility_problems() == []
        page.keyboard.press("Escape")
        page.click("#help-button")
        assert watched.accessibility_problems() == []
        assert watched.problems == []
        assert all(url.startswith((address, "data:")) for url in watched.requests)


@pytest.mark.parametrize("width", [900, 1280])
def test_on_wide_screens_the_scores_stand_beside_the_pictures(browser, address, width):
    with chromium.Watched(browser, width, 900) as watched:
        page = watched.page
        page.goto(address)
        page.wait_for_selector(".tile img[src]")
        # A generated sample, and an edit of the same row of prompts.
        for place, pictures in ((0, 1), (3, 2)):
            page.evaluate(f"select({place}); open({place})")
            page.wait_for_selector("#sample[open] .top")
            watched.wait_until(
                f"[...document.querySelectorAll('#body .pictures img')].filter(i => i.complete)"
                f".length === {pictures}"
            )
            picture = page.locator("#body .pictures").bounding_box()
            meters = page.locator("#body meter")
            assert meters.count() >= 2
            for meter in meters.all():
                box = meter.bounding_box()
                assert box["x"] >= picture["x"] + picture["width"]
                assert box["y"] + box["height"] < 900
        assert watched.problems == []


def test_a_flag_that_is_set_is_marked_unlike_the_focus(browser, corpus):
    with chromium.Watched(browser) as watched:
        page = watched.page
        page.goto(serve_in_thread(corpus))
        page.wait_for_selector(".tile img[src]")
        page.evaluate("open(0)")
        page.wait_for_selector("#sample[open]")
        colour = "getComputedStyle($('{}')).backgroundColor"
        plain = page.evaluate(colour.format("accept"))
        page.keyboard.press("x")
        page.wait_for_selector("#reject[aria-pressed=true]")
        page.focus("#accept")
        assert page.evaluate(colour.format("accept")) == plain
        assert page.evaluate(colour.format("reject")) != plain
        assert watched.accessibility_problems() == []
        page.keyboard.press("u")
        page.wait_for_selector("#reject[aria-pressed=false]")


def test_the_selected_tile_ends_with_its_caption(browser, address):
    with chromium.Watched(browser) as watched:
        page = watched.page
        page.goto(address)
        page.wait_for_selector(".tile.current img[src]")
        for place in (0, 1):
            tile = page.locator(f"#tile-{place}").bounding_box()
            caption = page.locator(f"#tile-{place} .lines").bounding_box()
            below = tile["y"] + tile["height"] - caption["y"] - caption["height"]
            assert 0 <= below < 8
            assert tile["height"] <= page.evaluate("state.row")


def test_hostile_texts_stay_texts_in_the_page(browser, address):
    with chromium.Watched(browser) as watched:
        page = watched.page
        page.goto(address)
        page.wait_for_selector(".tile img[src]")
        for place in range(0, 54, 6):
            page.evaluate(f"select({place}); open({place})")
            watched.wait_until(
                f"document.querySelector('#sample[open]') && state.current === {place}"
            )
            page.wait_for_timeout(50)
        assert page.locator("b, script:not([src]), img[src='x'], [onload], [onerror]").count() == 0
        assert "<b>rage</b>" in page.inner_text("#grid")
        assert watched.problems == []


def test_samples_are_filtered_sorted_and_opened(browser, corpus, address):
    rows = rows_of(corpus)
    with chromium.Watched(browser) as watched:
        page = watched.page
        page.goto(address)
        page.wait_for_selector(".tile img[src]")
        page.select_option("#status", "rejected")
        rejected = [row for row in rows if row["status"] == "rejected"]
        watched.wait_until(f"state.total === {len(rejected)}")
        page.select_option("#sort", "judge_confidence")
        page.check("#descending")
        first = max(rejected, key=lambda row: row["judge_confidence"])
        watched.wait_until(f"state.items.get(0)?.key === '{first['key']}'")
        labels = [page.get_attribute(f"#tile-{n}", "aria-label") for n in range(len(rejected))]
        expected = sorted(rejected, key=lambda row: -row["judge_confidence"])
        assert [label[:12] for label in labels] == [row["key"] for row in expected]
        page.click("#tile-0")
        page.wait_for_selector("#sample[open]")
        assert first["key"] in page.inner_text("#sample-title")
        assert first["reason"] in page.inner_text("#body")
        page.click("#close")
        # Any column: those of the manifest as well.
        page.click("button[type=reset]")
        page.select_option("#column", "row")
        page.select_option("#operator", "at most")
        page.fill("#value", "8")
        watched.wait_until(f"state.total === {sum(row['row'] <= 8 for row in rows)}")
        page.fill("#value", "many")
        watched.wait_until("document.querySelector('#problem').textContent !== ''")
        assert "'many' is not a number" in page.inner_text("#problem")


def test_the_keyboard_alone_flags_samples_and_refilter_honours_them(browser, corpus, tmp_path):
    flags = corpus / "flags.parquet"
    flags.unlink(missing_ok=True)
    accepted = [row["key"] for row in rows_of(corpus) if row["status"] == "accepted"]
    rejected = [row["key"] for row in rows_of(corpus) if row["status"] == "rejected"]
    with chromium.Watched(browser) as watched:
        page, keys = watched.page, watched.page.keyboard
        page.goto(serve_in_thread(corpus))
        page.wait_for_selector(".tile img[src]")
        for _ in range(60):
            if page.evaluate("document.activeElement.id") == "grid":
                break
            keys.press("Tab")
        assert page.evaluate("document.activeElement.id") == "grid"
        for key, flag in ((accepted[0], "x"), (accepted[1], "x"), (rejected[0], "a")):
            _walk_to(page, key)
            keys.press(flag)
            page.wait_for_selector(f"#tile-{int(key)} .mark")
        _walk_to(page, accepted[1])
        keys.press("Enter")
        page.wait_for_selector("#sample[open]")
        keys.press("u")
        watched.wait_until("state.corpus.flags.reject === 1")
        keys.press("Escape")
        assert page.evaluate("document.activeElement.id") == "grid"
        assert watched.problems == []
    saved = read_flags(flags, read_run(corpus)).by_key
    assert saved == {accepted[0]: "reject", rejected[0]: "accept"}
    done = drive.command("refilter", corpus, "--flags", flags, "-o", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    statuses = {row["key"]: row["status"] for row in rows_of(tmp_path / "new")}
    assert statuses[accepted[0]] == "rejected"
    assert statuses[rejected[0]] == statuses[accepted[1]] == "accepted"


def test_on_a_phone_the_key_of_words_opens_the_filters(browser, corpus):
    with chromium.Watched(browser, 360, 740) as watched:
        page = watched.page
        page.goto(serve_in_thread(corpus))
        page.wait_for_selector(".tile img[src]")
        assert not page.is_visible("#prompt")
        page.keyboard.press("/")
        page.keyboard.type("script")
        found = [row for row in rows_of(corpus) if "script" in row["prompt"]]
        watched.wait_until(f"state.total === {len(found)}")
        assert watched.problems == []


def _walk_to(page, key: str) -> None:
    """Move to a sample of the unfiltered grid with the arrows."""
    while (place := page.evaluate("state.current")) != int(key):
        page.keyboard.press("ArrowRight" if place < int(key) else "ArrowLeft")


def test_a_long_grid_has_few_elements_and_reaches_its_end(browser, tmp_path):
    rows = [{"prompt": f"a dog {n}", "emotion": "awe"} for n in range(3000)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "m.parquet")
    out = tmp_path / "out"
    sizes = ["--batch-size", 500, "--shard-size", 500, "--min-confidence", 0]
    assert drive.run(tmp_path / "m.parquet", out, *sizes).returncode == 0
    with chromium.Watched(browser, 360, 740) as watched:
        page = watched.page
        page.goto(serve_in_thread(out))
        page.wait_for_selector(".tile img[src]")
        for share in (0.2, 0.9, 0.5, 1.0):
            page.evaluate(f"$('grid').scrollTop = {share} * $('grid').scrollHeight")
            watched.wait_until(
                "[...document.querySelectorAll('.tile img')].some(i => i.naturalWidth > 0)"
            )
            assert page.locator(".tile").count() < 60
        page.wait_for_selector(".tile[aria-label^='000000002999']")
        page.focus("#grid")
        page.keyboard.press("Home")
        page.wait_for_selector(".tile[aria-label^='000000000000']")
        page.keyboard.press("End")
        page.wait_for_selector("#tile-2999.current[aria-label^='000000002999']")
        # Scrolling by a few rows moves no tile that stays in view: the browser does that alone.
        page.evaluate("select(1500)")
        page.wait_for_selector("#tile-1500.current")
        place = "document.querySelector('#tile-1500')"
        page.evaluate(
            f"window.moved = 0; new MutationObserver(all => moved += all.length)"
            f".observe({place}, {{ attributes: true, attributeFilter: ['style'] }})"
        )
        before = page.locator("#tile-1500").bounding_box()["y"]
        page.evaluate("$('grid').scrollTop -= 50")
        watched.wait_until(f"{place}.getBoundingClientRect().y > {before + 40}")
        page.evaluate("new Promise(done => setTimeout(done, 100))")
        assert page.evaluate("moved") == 0
        # Where an element cannot be as high as all rows, the scroll bar stands for a share of them.
        page.evaluate("maxHeight = 3000; layout(); select(1500)")
        page.wait_for_selector("#tile-1500.current")
        box = page.locator("#tile-1500").bounding_box()
        assert 0 <= box["y"] < 740
        assert watched.problems == []
