"""The command while its modules are still being imported."""

import os
import signal
import subprocess
import sys


def test_ctrl_c_before_a_command_has_begun_ends_it_without_a_traceback(tmp_path):
    """While typer is imported, which stands for all imports."""
    (tmp_path / "typer.py").write_text(
        "print('importing', flush=True)\nimport time\ntime.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.getcwd()}"}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", "--help"], env=environment, **options
    ) as process:
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == -signal.SIGINT
