"""Ids in, ids out, fast; text only in chat."""
