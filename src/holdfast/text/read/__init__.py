"""Files to documents: one file per format, each with a reader.

A reader is a function of a stream of bytes and a `Place` that yields a Document or a Rejected for each text it finds.
It raises Unreadable where it can not go on, and nothing else that the bytes could cause; it holds a bounded part of
the stream in memory. `formats` knows which reader a file is for.
"""
