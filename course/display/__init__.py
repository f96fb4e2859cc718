"""Widgets and players: thin skins over plain functions."""
