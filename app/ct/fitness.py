"""Is this exam what the model was made for?"""

from app.ct.errors import NotChest
from app.ct.exam import Exam


def check_fitness(exam: Exam) -> None:
    """Refuse an exam that says of itself that it is none of the chest.

    Raises:
        NotChest: every slice names one and the same other body part.
    """
    if exam.other_part is not None:
        raise NotChest(f"Every slice names another body part than the chest: {exam.other_part}.")
