"""Where the values of a run's settings came from, as messages name it."""

from __future__ import annotations


class Sources(dict[str, str]):
    """Dotted keys of settings to the option, file or stored run that gave each of them last.

    Any two are equal: where its values came from makes no settings different.
    """

    def of(self, key: str) -> str:
        """What gave a key, the table that holds it, or something in it; `settings` if nothing did,
        as with a default, or from Python."""
        # A problem with a table is a problem with what was given in it.
        inside = [source for name, source in self.items() if name.startswith(f"{key}.")]
        while key:
            if key in self:
                return self[key]
            key = key.rpartition(".")[0]
        return inside[0] if inside else "settings"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sources)
