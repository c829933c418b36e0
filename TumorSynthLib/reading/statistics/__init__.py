"""Statistics of reading studies. Numbers that a library knows come from the library."""
