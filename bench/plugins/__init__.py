"""Parts from elsewhere: files, folders and installed packages, and which files a result depends on. No torch."""

from skipbench.bench.plugins.loading import (
    ENTRY_POINTS,
    Parts,
    load_plugins,
    loaded_paths,
    parts_of_spec,
    plugin_source,
)

__all__ = ["ENTRY_POINTS", "Parts", "load_plugins", "loaded_paths", "parts_of_spec", "plugin_source"]
