"""What the ranks of a run tell each other: sums of numbers and gradients at every step, and the first rank's word.

Sums are collectives: a rank waits for all others, and an end of one is seen by the rest at once. Words go through a
store of keys that is asked now and then, because the first rank may build a corpus for hours before it has one.
Between machines gradients travel; on one machine all ranks have weights, optimizer state and gradients in common.
"""

from holdfast.train.sync.gang import Gang, Lost
from holdfast.train.sync.gather import gather
from holdfast.train.sync.mimic import Mimic
from holdfast.train.sync.ranks import Alone, Ranks
from holdfast.train.sync.team import Team

__all__ = ["Alone", "Gang", "Lost", "Mimic", "Ranks", "Team", "gather"]
