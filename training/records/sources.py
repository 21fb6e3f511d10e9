"""What the recipes' data sets are and on what terms, for the model card. None of their images is in this project."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A data set: what it holds, and its terms."""

    what: str
    terms: str


UNKNOWN = Source("A data set of the trainer's own.", "Ask the trainer.")

SOURCES = {
    "covid-ct": Source(
        "COVID-CT (Zhao et al., 2020): slices cut from papers and teaching files; negatives are mostly other disease.",
        "Copyright of the papers' authors and publishers.",
    ),
    "soares": Source(
        "SARS-CoV-2 CT-scan dataset (Soares et al., 2020). Patients are not told apart: groups are blocks of slices.",
        "No licence stated.",
    ),
    "drenet": Source(
        "Training part of the DRENet data (Song et al., 2020): COVID-19 against bacterial pneumonia, lungs masked.",
        "Terms of the data not stated.",
    ),
    "sy575demo": Source("Relatives of the DRENet data, unmasked.", "Terms of the data not stated."),
    "covidhelper": Source("Italian COVID-19 cases and normals.", "None stated."),
    "ieee8023ct": Source("CT figures of the covid-chestxray-dataset (Cohen et al.).", "Mostly CC BY-NC-SA."),
    "osic": Source("Lung fibrosis (OSIC).", "None stated."),
    "tcga-luad": Source("Lung cancer (TCGA-LUAD).", "None stated."),
    "chestct4": Source("Normal slices of a chest CT collection.", "None stated."),
    "luna": Source("Screening CT (LUNA16, from LIDC-IDRI): the healthy canvas of the synthesis.", "CC BY 3.0."),
    "vol20": Source("COVID-19 CT with lesion masks drawn by people (coronacases, Radiopaedia).", "CC BY-NC-SA."),
    "medseg48": Source("COVID-19 slices with lesion masks (MedSeg). Measured on, never trained on.", "Non-commercial."),
    "exams": Source("Whole exams. Measured on, never trained on.", "As their publishers state."),
}
