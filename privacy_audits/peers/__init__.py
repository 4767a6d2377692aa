"""Other people's systems in the same game; the scripts that fit them never import this project."""
