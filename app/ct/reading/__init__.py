"""From an upload's files to an Exam."""
