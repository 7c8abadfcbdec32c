"""The SQL suites: one text file for each subject, run on every runtime."""
