"""Other people's formats live only here."""
