"""The configs that a search tries before those of its sampler, each once."""

from fesearch.search.settings import Settings
from fesearch.space import Config


class Firsts:
    """Which of them are left, in their order; ``settings`` says which there are."""

    def __init__(self, settings: Settings) -> None:
        self._begun: list[Config] = []
        self.renew(settings)

    def renew(self, settings: Settings) -> None:
        """Take up others: those that have begun are not tried again."""
        self._all, self._spared = settings.firsts(), settings.spared
        self._left = [one for one in self._all if one not in self._begun]

    def begin(self, config: Config) -> None:
        """A trial of a config has begun, of these or of any."""
        if config in self._all:
            self._begun.append(config)
            self._left = [one for one in self._left if one != config]

    @property
    def next(self) -> Config | None:
        """The next one; None where none is left."""
        return self._left[0] if self._left else None

    @property
    def urgent(self) -> bool:
        """Whether it is one that time was kept for: interrupted trials wait."""
        return self.next is not None and self.next in self._spared
