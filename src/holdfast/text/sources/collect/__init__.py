"""One file per kind of place on the network: from an entry of the catalogue to the files that can be fetched."""
