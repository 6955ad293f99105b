"""Jobs on the command line: submit, follow, look at, cancel."""
