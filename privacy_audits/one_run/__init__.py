"""One run of everything, from a file with planted rows to an exported file: what do guesses about the plants refute?"""
