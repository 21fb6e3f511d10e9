"""A desk as tests run it."""

from collections.abc import Callable
from pathlib import Path

from app.ct.reading.files import NamedFile
from app.ct.workers import ON_THE_SPOT, Workers
from app.desk import Desk
from app.exam_folder import Wish
from app.kept import Sent, new_id
from app.outcome import Outcome
from app.service import DiagnosisService
from app.settings import Settings
from app.store import Store
from app.uploads import Limits
from tests.fakes import FakeClassifier
from tests.waiting import until


class RunningDesk:
    """A desk on a store of its own, and what became of its exams."""

    def __init__(
        self,
        data_dir: Path,
        *,
        classifier: FakeClassifier,
        kind: type[Store] = Store,
        on_stuck: Callable[[], None] = lambda: None,
        workers: Workers = ON_THE_SPOT,
        **settings: float,
    ) -> None:
        self.store, self.ended = kind(data_dir), dict[str, Outcome]()
        self.desk = Desk(
            Settings.model_validate({"data_dir": data_dir, **settings}),
            self.store,
            load=lambda: DiagnosisService(classifier, limits=Limits(), workers=workers),
            write=lambda *_: "{}",
            observers=[lambda outcome: self.ended.update({outcome.exam_id: outcome})],
            on_stuck=on_stuck,
        )

    def spool(self, files: list[NamedFile]) -> str:
        exam_id = new_id()
        folder = self.store.folder(exam_id)
        folder.create()
        for number, file in enumerate(files, start=1):
            with folder.new_original(number) as original:
                original.write(file.read())
        folder.seal([file.name for file in files], Wish())
        return exam_id

    def take(self, files: list[NamedFile]) -> str:
        return self.desk.take(self.spool(files), Sent(len(files), 0.0), key_hash=None).id

    def wait_until_left(self, exam_id: str) -> None:
        """Return once the desk has nothing more to do with an exam, however it ended."""
        until(lambda: self.desk.course(exam_id) is None)

    def wait_for(self, exam_id: str) -> Outcome:
        until(lambda: exam_id in self.ended)
        return self.ended[exam_id]

    def close(self) -> None:
        self.desk.stop()
        self.store.close()
