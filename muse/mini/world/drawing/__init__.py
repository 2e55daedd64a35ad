"""How the things of a scene are drawn."""
