"""What a run needs from elsewhere: listed, fetched, packed for another machine, and proved to be there."""
