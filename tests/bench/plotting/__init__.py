"""What tests/bench/plots is made of: load (the JSON files), tables (Markdown), draw (SVG)."""
