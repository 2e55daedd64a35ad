import subprocess
import sys

import pytest

import muse


def test_the_package_offers_what_a_script_needs():
    from muse import Method, MusePipeline, Target

    assert MusePipeline.__module__ == "muse.api"
    assert Method().steps > 0
    assert Target.of("awe").members == ("awe",)
    for name in muse.__all__:
        assert getattr(muse, name) is not None
        assert name in dir(muse)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Methods'"):
        muse.Methods  # noqa: B018
    with pytest.raises(ImportError):
        from muse import Methods  # noqa: F401


def test_importing_the_package_and_its_settings_does_not_import_torch():
    """The command parses its settings before anything heavy is loaded."""
    code = (
        "import sys, muse; from muse import MIKELS, Method, Target; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
