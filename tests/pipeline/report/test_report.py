"""The report as a whole: complete, in progress, hostile, failing."""

import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.report import build
from pipeline.report.build import REPORT_FILE, write_last_report, write_report
from pipeline.report.page import _with_code
from pipeline.report.pixels import brightness, colourfulness
from pipeline.storage.log import Log
from tests.support import drive
from tests.support.corpora import rows_of
from tests.support.local_runs import run_locally, write_rows

HOSTILE = ["<script>alert(1)</script>", "x" * 10_000, "‮مرحبا\" onload='alert(2)'", "{{ 7 * 7 }}"]


class Tags(HTMLParser):
    """The tags of a page, the addresses in it, and its text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.addresses, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.text += data


def test_it_shows_what_was_asked_and_what_came_of_it(make_corpus):
    out = make_corpus(keep_rejected=True)
    page = Tags(write_report(out).read_text())
    rows = rows_of(out)
    accepted = sum(row["status"] == "accepted" for row in rows)
    assert f"{accepted} of {len(rows)} finished requests were accepted" in page.text
    assert "This was a dry run" in page.text
    assert page.tags.count("img") >= accepted
    for setting in ("min_confidence", "method.steps", "images.max_pixels"):
        assert setting in page.text


def test_a_rejected_edit_is_beside_its_source_too(make_corpus):
    image = str(drive.IMAGES / "railroad.png")
    rows = [{"prompt": "a dog", "emotion": "awe", "image": image}]
    out = make_corpus(rows=rows, keep_rejected=True, min_confidence=1.0)
    html = write_report(out).read_text()
    rejected = html.partition('<section id="rejects">')[2].partition("</section>")[0]
    (row,) = rows_of(out)
    assert f'alt="source image of {row["key"]}"' in rejected
    assert f'<p class="why" dir="auto">{row["reason"][:20]}' in rejected


def test_it_needs_no_network_and_runs_no_script(make_corpus):
    html = write_report(make_corpus()).read_text()
    page = Tags(html)
    assert not {"script", "link", "iframe", "object", "embed", "form"} & set(page.tags)
    assert all(re.match(r"data:image/|#", address) for address in page.addresses)
    assert "default-src 'none'" in html
    assert "url(" not in html.replace("url(#", "")


def test_hostile_texts_stay_texts(make_corpus):
    rows = [{"prompt": text, "emotion": "awe", "note": text} for text in HOSTILE]
    html = write_report(make_corpus(rows=rows, min_confidence=0.0)).read_text()
    page = Tags(html)
    assert "script" not in page.tags
    for text in (HOSTILE[0], HOSTILE[2], HOSTILE[3], "(10,000 characters)"):
        assert text in page.text
    assert "x" * 1000 not in html


def test_of_a_run_in_progress(tmp_path):
    manifest, out = write_rows(tmp_path / "m.parquet", 30), tmp_path / "out"

    def stop(task):
        if task.batch.number == 4:
            raise KeyboardInterrupt

    from pipeline.scheduling.executors.local_executor import LocalExecutor

    with pytest.raises(KeyboardInterrupt):
        run_locally(manifest, out, LocalExecutor(before_task=stop))
    page = Tags(write_report(out).read_text())
    assert "The run is in progress: 16 of 30 requests are finished." in " ".join(page.text.split())
    assert "img" in page.tags


def test_with_nothing_finished_it_is_refused(tmp_path):
    manifest, out = write_rows(tmp_path / "m.parquet", 3), tmp_path / "out"
    from pipeline.scheduling.executors.local_executor import LocalExecutor

    def stop(task):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_locally(manifest, out, LocalExecutor(before_task=stop))
    with pytest.raises(UserError, match="no request is finished yet"):
        write_report(out)
    assert not (out / REPORT_FILE).exists()


def test_a_damaged_corpus_is_refused_by_the_name_of_the_file(make_corpus):
    out = make_corpus()
    tar = out / "shards" / "00000000.tar"
    tar.write_bytes(tar.read_bytes()[:-512])
    done = drive.command("report", out)
    assert done.returncode == 2
    assert "shards/00000000.tar: has" in done.stderr


def test_a_tar_that_is_damaged_is_named_in_the_report(make_corpus):
    out = make_corpus()
    tar = out / "shards" / "00000000.tar"
    data = bytearray(tar.read_bytes())
    start = data.index(b"IDAT")
    data[start : start + 40] = bytes(40)
    tar.write_bytes(data)
    page = Tags(write_report(out).read_text())
    assert "What could not be read" in page.text
    assert re.search(r"00000000\.tar is damaged.*picture.* not shown", page.text)


def test_a_report_that_fails_does_not_fail_the_run(make_corpus, monkeypatch):
    out, warnings = make_corpus(), []
    monkeypatch.setattr(build, "write_report", lambda *_: 1 / 0)
    write_last_report(out, "m.parquet", warnings.append)
    assert "the corpus is complete, but its report could not be written" in warnings[0]


def test_a_run_ends_with_its_report(tmp_path):
    manifest, out = write_rows(tmp_path / "m.parquet", 3), tmp_path / "out"
    done = drive.run(manifest, out, "--set", "report=true")
    assert done.returncode == 0, done.stderr
    assert (out / REPORT_FILE).exists()
    assert drive.command("verify", out).returncode == 0


def test_brightness_and_colourfulness_of_known_pictures():
    grey, red = Image.new("RGB", (8, 8), (128,) * 3), Image.new("RGB", (8, 8), (255, 0, 0))
    assert brightness(grey) == pytest.approx(128 / 255)
    assert brightness(red) == pytest.approx(76 / 255)
    assert colourfulness(grey) == 0
    # Of a single colour, the spread is zero; its means are 255 and 127.5.
    assert colourfulness(red) == pytest.approx(0.3 * (255**2 + 127.5**2) ** 0.5)


def test_edits_stand_beside_their_sources(tmp_path):
    images = [str(drive.IMAGES / "railroad.png"), str(tmp_path / "gone.png")]
    (tmp_path / "gone.png").write_bytes((drive.IMAGES / "amusement-park.png").read_bytes())
    width, height = Image.open(images[0]).size
    mask = Image.new("L", (width, height))
    mask.paste(255, (0, 0, width, height // 2))
    mask.save(tmp_path / "mask.png")
    masks = [str(tmp_path / "mask.png"), None]
    manifest = write_rows(tmp_path / "m.parquet", 2, image=images, mask=masks)
    out = tmp_path / "out"
    run_locally(manifest, out, min_confidence=0.0)
    (tmp_path / "gone.png").write_bytes((drive.IMAGES / "railroad.png").read_bytes())
    page = Tags(write_report(out).read_text())
    assert "Edits beside their sources" in page.text
    assert "the file is another one now: its SHA-256 differs" in page.text
    assert page.text.count("like its source") >= 2
    # By emotion, and where the guide is more confident than the judge.
    assert page.text.count("; mask: 50% of the picture") == 2
    assert "Least like their sources" not in page.text
    scores = [row["source_ssim"] for row in rows_of(out)]
    assert all(f", SSIM {score:.2f}" in page.text for score in scores)


def test_names_in_the_meaning_of_a_setting_are_code_and_nothing_else_is_markup():
    assert _with_code("`a` or <b> `c<d`.") == ("<code>a</code> or &lt;b&gt; <code>c&lt;d</code>.")
    assert _with_code("one ` alone") == "one ` alone"


def test_settings_have_no_backticks(make_corpus):
    settings = write_report(make_corpus()).read_text().split('id="settings"')[1]
    assert "`" not in settings
    assert "<code>embedded</code>" in settings


def test_a_setting_without_a_value_is_said_to_be_empty(make_corpus):
    settings = write_report(make_corpus()).read_text().split('id="settings"')[1]
    assert '<code>vae</code></th><td dir="auto">empty</td><td>same</td>' in settings


def test_images_by_their_tokens_are_told_of_a_model_alone(make_corpus):
    out = make_corpus()
    assert "emotional tokens" not in Tags(write_report(out).read_text()).text


def test_gpu_hours_have_their_cost(make_corpus):
    out = make_corpus(gpu_hour_price=2.0)
    first = Tags(write_report(out).read_text()).text
    assert "no worker had a GPU" in first
    assert "sessions of the run" not in first
    with Log(out) as log:
        log.add({"at": 0.0, "event": "start", "connected": 0.0, "workers": 4})
        ready = {"event": "ready", "pid": 1, "imports": 1.0, "models": 1.0}
        log.add({"at": 9.0, **ready, "device": "H200"})
        log.add({"at": 1800.0, "event": "stop", "cause": "interrupted"})
    text = " ".join(Tags(write_report(out).read_text()).text.split())
    assert "GPU-hours2, as long as workers were held" in text
    assert "cost4.00 at 2 a GPU-hour" in text
    assert "over the 2 sessions of the run; " in text
