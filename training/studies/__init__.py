"""Questions about several models, several data sets or people: comparisons, cross-validation, cohorts, rules."""
