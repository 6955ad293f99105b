"""Documentation that runs: read the pages, execute or parse every block, follow every link."""
