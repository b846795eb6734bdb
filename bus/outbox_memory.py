"""The newer tier of an outbox: items in memory, in order, bounded. Pure but for its own state."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter

from bus.outbox_items import DISK_FULL, Account, Dropped, Item, OutboxLimits, account

place = attrgetter("n")


class OutboxMemory:
    """Holds what is not in the file yet."""

    def __init__(self, limits: OutboxLimits) -> None:
        self.items: list[Item] = []
        self._limits = limits
        self._size = 0

    @property
    def full(self) -> bool:
        """Tell whether it holds more than it may."""
        return len(self.items) > self._limits.memory_events or self._size > self._limits.memory_bytes

    def add(self, item: Item) -> None:
        """Hold a newer item."""
        self.items.append(item)
        self._size += item.size

    def clear(self) -> None:
        """Let go of everything: the file has it."""
        self.items.clear()
        self._size = 0

    def page(self, after: int, limit: int, size_limit: int) -> list[Item]:
        """List the items that follow place `after`, at least one if there is one."""
        first = bisect_right(self.items, after, key=place)
        page = self.items[first : first + limit]
        for index, item in enumerate(page, start=1):
            size_limit -= item.size
            if size_limit <= 0:
                return page[:index]
        return page

    def confirm(self, upto: int) -> None:
        """Let go of the items up to a place."""
        count = bisect_right(self.items, upto, key=place)
        self._size -= sum(item.size for item in self.items[:count])
        del self.items[:count]

    def drop(
        self, after: int, earlier: Mapping[str, Account], notice: Callable[[Account, bytes], Item]
    ) -> tuple[int, dict[str, Account]]:
        """Drop the oldest samples after a place, a tenth of the bound, and put accounts where they were.

        Args:
            after: what is up to here may be numbered and stays.
            earlier: accounts in memory that the new ones take over.
            notice: makes an account's item, given the newest body it counts.

        Returns:
            How many were dropped, and the new accounts.
        """
        gone = {item.n: item for item in self._oldest_samples(after)}
        samples = [Dropped(item.n, item.subject, item.time_us, item.size) for item in gone.values()]
        news = account(samples, earlier, DISK_FULL)
        taken_over = {earlier[subject].n for subject in earlier.keys() & news.keys()}
        kept = [item for item in self.items if item.n not in gone and item.n not in taken_over]
        self._replace([*kept, *(notice(new, gone[new.n].body) for new in news.values())])
        return len(gone), news

    def _oldest_samples(self, after: int) -> Sequence[Item]:
        events, size = self._limits.memory_events // 10 + 1, self._limits.memory_bytes // 10 + 1
        chosen: list[Item] = []
        for item in self.items:
            if item.sample and item.n > after:
                chosen.append(item)
                size -= item.size
                if len(chosen) >= events or size <= 0:
                    break
        return chosen

    def _replace(self, items: Iterable[Item]) -> None:
        self.items = sorted(items, key=place)
        self._size = sum(item.size for item in self.items)
