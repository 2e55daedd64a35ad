"""The versions that the bytes of a corpus depend on."""

import pytest

from pipeline.errors import UserError
from pipeline.planning.software import refuse_other_versions, versions


def test_the_drivers_own_versions_are_accepted():
    assert {"muse-batch", "python", "torch"} <= versions().keys()
    refuse_other_versions(versions())


@pytest.mark.parametrize("change", [{"torch": "2.0.0"}, {"more": "1"}])
def test_other_versions_are_refused_by_name(change):
    (name, version), *_ = change.items()
    with pytest.raises(UserError, match=rf"{name} \S+ where the driver has {version}"):
        refuse_other_versions(versions() | change)
