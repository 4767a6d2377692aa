"""The samplers themselves: size and shape of noise, neighbors told apart, and the time that a draw takes."""
