"""Running a plan: cell by cell into a run folder, with progress."""
