"""The documentation is true: what it quotes is what the program takes, and all that there is, is in it."""
