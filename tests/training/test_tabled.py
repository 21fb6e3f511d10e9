from training.releasing.tabled import MOST_ROWS, as_tables

FIGURE = {"value": 0.8641, "low": 0.8123, "high": 0.9017}


def test_rows_are_a_table_with_nested_figures_under_both_names() -> None:
    text = as_tables({"jpeg": {"rows": [{"source": "soares", "auc": {"before": FIGURE}}]}}, title="Audit")

    assert "**Audit, jpeg, rows**" in text
    assert "| source | auc before |" in text
    assert "| soares | 0.864 (0.812 to 0.902) |" in text


def test_facts_stand_together() -> None:
    text = as_tables({"records": 369, "where": ["part=validation"], "done": True, "goal": None}, title="Audit")

    assert "| records | 369 |\n| where | part=validation |\n| done | yes |\n| goal | - |" in text


def test_rows_by_name_are_a_table_too() -> None:
    text = as_tables({"rules": {"mean": {"auc": FIGURE}, "noisy-or": {"auc": 0.5}}}, title="Rules")

    assert "|  | auc |" in text
    assert "| mean | 0.864 (0.812 to 0.902) |\n| noisy-or | 0.500 |" in text


def test_the_model_and_the_notice_are_said_elsewhere() -> None:
    assert as_tables({"notice": "n", "model": {"sha256": "11"}}, title="Audit") == ""


def test_a_long_list_stays_in_its_file() -> None:
    text = as_tables({"rows": [{"n": k} for k in range(MOST_ROWS + 1)]}, title="Audit")

    assert f"| {MOST_ROWS - 1} |" in text
    assert f"| {MOST_ROWS} |" not in text
    assert "The rest is in the run's file." in text
