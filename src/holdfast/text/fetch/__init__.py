"""Files from elsewhere: asked for politely, continued where they broke off, and known by their hashes.

The network is used in this folder only. `client` asks, `transfer` brings one file, `download` many.
"""
