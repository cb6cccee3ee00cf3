"""Bad days of the API and of the mail server, beside everything else."""

import random
import threading

from .post import MOODS, wall
from .watcher import FaultLog
from .world import World

#: What the API may do to the next answers of a shop.
API = (
    *("slow", "dripping", "cut_off", "html", "empty", "reset", "lost", "429", "500", "503", "throttled"),
    *("errors_list", "errors_string", "errors_object", "no_data", "redirect", "slow", "429", "502", "504"),
)


class Weather(threading.Thread):
    """Bad days of the API and of the mail server, beside everything else."""

    def __init__(self, world: World, log: FaultLog, seed: int, every: float = 1.0) -> None:
        super().__init__(name="weather", daemon=True)
        self.world, self.log, self.every = world, log, every
        self.random = random.Random(seed)
        self.stopped = threading.Event()

    def run(self) -> None:
        """Let it rain until told to stop; then all is well again."""
        while not self.stopped.wait(self.random.expovariate(1 / self.every)):
            if self.random.random() < 0.7:
                self._api()
            else:
                self._mail()
        self.world.post.mood = ""
        for shop in self.world.shops.values():
            with shop.lock:
                shop.bad_days.clear()

    def _api(self) -> None:
        shop = self.random.choice(list(self.world.shops.values()))
        faults = [
            {"fault": self.random.choice(API), "seconds": round(self.random.uniform(0.3, 4.0), 1)}
            for _ in range(self.random.randrange(1, 4))
        ]
        shop.script(faults)
        self.log.add("api", wall(), shop=shop.domain, faults=[item["fault"] for item in faults])

    def _mail(self) -> None:
        begun = wall()
        mood = self.random.choice(list(MOODS))
        self.world.post.mood = mood
        # A tarpit must outlast the patience of whoever waits in it.
        self.stopped.wait(self.random.uniform(3.0, 6.0) if mood == "tarpit" else self.random.uniform(0.3, 1.5))
        self.world.post.mood = ""
        self.log.add(f"smtp_{mood}", begun)
