"""Plots are drawn from a report alone, and only where it has figures."""

from PIL import Image

from jobs.evaluation.report.plots import draw_plots

FIGURE = {"mean": 0.5, "low": 0.4, "high": 0.6}
GENERATION = dict.fromkeys(("success_examiner", "right", "cost", "content"), FIGURE)


def test_each_plot_is_a_picture(tmp_path):
    editing = {**GENERATION, "ssim": FIGURE}
    curve = {"prompt": "a dog", "emotion": "awe", "similarity": [0.1, 0.2, 0.3], "start": 1}
    both = {"generation": GENERATION, "editing": editing}
    settings = {"muse": {"as given": both, "content": both}}
    arms = {"muse": both, "sdedit": {"editing": editing}}
    report = {"arms": arms, "settings": settings, "curves": [curve]}
    draw_plots(report, tmp_path / "report")
    names = {path.name for path in tmp_path.iterdir()}
    plots = ("right", "cost", "content", "ssim", "curves")
    assert names == {f"report-{name}.png" for name in plots}
    for name in names:
        assert len(Image.open(tmp_path / name).convert("RGB").getcolors(2**24)) > 10


def test_without_edits_and_curves_there_are_three(tmp_path):
    report = {"arms": {"muse": {"generation": GENERATION}}, "settings": {}, "curves": []}
    draw_plots(report, tmp_path / "report")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"report-{name}.png" for name in ("right", "cost", "content")}
