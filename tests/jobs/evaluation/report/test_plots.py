"""The plots of a report."""

from PIL import Image

from jobs.evaluation.arms import registry
from jobs.evaluation.report.plots import NAMES, draw_plots, style

FIGURE = {"mean": 0.5, "low": 0.4, "high": 0.6}
FIGURES = dict.fromkeys(("success_examiner", "right", "cost", "content"), FIGURE)


def test_each_plot_is_a_picture(tmp_path):
    curve = {"prompt": "a dog", "emotion": "awe", "similarity": [0.1, 0.2, 0.3], "start": 1}
    both = {"generation": FIGURES, "editing": FIGURES}
    arms = {"muse": both, "sdedit": {"editing": FIGURES}}
    by_emotion = {arm: {"editing": {"awe": FIGURE, "fear": FIGURE}} for arm in arms}
    report = {
        "arms": arms,
        "settings": {"muse": {"as given": both, "content": both}},
        "differences": {"sdedit": {"editing": FIGURES}},
        "splits": {"right": {"emotion": by_emotion}},
        "curves": [curve],
    }
    draw_plots(report, tmp_path / "report")
    names = {path.name for path in tmp_path.iterdir()}
    plots = ("right", "differences", "emotions", "curves")
    assert names == {f"report-{name}.png" for name in plots}
    for name in names:
        assert len(Image.open(tmp_path / name).convert("RGB").getcolors(2**24)) > 10


def test_of_one_arm_there_is_nothing_to_compare(tmp_path):
    arms = {"muse": {"generation": FIGURES}}
    report = {"arms": arms, "settings": {}, "differences": {}, "splits": {}, "curves": []}
    draw_plots(report, tmp_path / "report")
    assert [path.name for path in tmp_path.iterdir()] == ["report-right.png"]


def test_a_sweep_has_no_plots(tmp_path):
    report = {"arms": {}, "settings": {}, "differences": {}, "splits": {}, "curves": []}
    draw_plots(report, tmp_path / "report")
    assert not list(tmp_path.iterdir())


def test_every_arm_has_a_name_and_a_look_of_its_own():
    assert set(NAMES) == set(registry.NAMES)
    looks = [(tuple(style(arm)["color"]), style(arm)["marker"]) for arm in NAMES]
    assert len({color for color, _ in looks}) == len({marker for _, marker in looks}) == len(NAMES)
