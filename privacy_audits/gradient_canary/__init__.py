"""A crafted unit in a training, and the books of votes: does the noise hide what the claim says that it hides?"""
