"""How the images are guided: tokens (HOW), timing (WHEN), losses (WHICH), and their optimiser."""
