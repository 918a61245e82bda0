"""Text that is there twice: found by hashes of words, and taken out once, with the reason on record.

shingles    words and runs of words as 64-bit hashes; known: a set of them to look others up in
exact       texts equal but for white space and capitals
sketch      128 numbers of a text that tell how alike two texts are
near        which texts are so alike that one is enough, and which are editions of one work
passages    where a text can be cut, and cutting what is known from elsewhere out of it
paragraphs  paragraphs that are in several texts
decontaminate, leaks    what a text shares with evaluation sets, and what held-out text shares with training text
"""
