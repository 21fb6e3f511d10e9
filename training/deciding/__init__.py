"""What is decided on validation: calibration, thresholds, the exam rule, the share of lung affected."""
