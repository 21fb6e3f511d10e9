"""Which body part a DICOM series names, where that is surely not the chest."""

import re
from collections.abc import Sequence

from app.ct.reading.headers import Header

# BodyPartExamined (0018,0015): terms of DICOM PS3.16 Annex L and spellings of them that scanners write. Only what is
# surely no chest exam is here. What may show whole lungs (SHOULDER, SPINE, TSPINE, HEART, AORTA, TRUNK ...), what is
# combined with the chest, and every unknown word counts as chest: the word comes with the scan protocol, and is wrong on
# about one image in seven (Gueld et al., Proc. SPIE 4685, 2002).
_OTHER_PARTS = re.compile(
    r"""
    HEAD | BRAIN | SKULL | FACE | ORBITS? | EYE | EAR | IAC | (PARANASAL)?SINUS(ES)? | NOSE | JAW | MANDIBLE | MAXILLA | TMJ
    | PITUITARY | HEADNECK | NECK | CSPINE | CERVICALSPINE
    | ABD(OMEN)?(PEL|PELVIS)? | LIVER | GALLBLADDER | PANCREAS | SPLEEN | KIDNEYS? | COLON
    | PELVIS | BLADDER | PROSTATE | UTERUS | RECTUM | HIPS? | LSPINE | LSSPINE | LUMBARSPINE | SSPINE | SACRUM | COCCYX
    | (UPPER|LOWER)?EXTREMITY | EXTREMITIES | ELBOW | FOREARM | WRIST | HANDS? | FINGER | THUMB
    | LEGS? | THIGH | FEMUR | KNEES? | TIBIA | FIBULA | TIBIAFIBULA | ANKLE | CALCANEUS | FOOT | FEET | TOE
    """,
    re.VERBOSE,
)
_SEPARATORS = re.compile(r"[\s_./,+&\\-]+")


def other_part(headers: Sequence[Header]) -> str | None:
    """The body part that every slice names, if that is surely not the chest: in capital letters, without separators.

    Slices of several body parts may span the chest between them, so they count as chest.
    """
    named = {_SEPARATORS.sub("", header.body_part.upper()) for header in headers}
    part = named.pop() if len(named) == 1 else ""
    return part if _OTHER_PARTS.fullmatch(part) else None
