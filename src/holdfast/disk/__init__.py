"""Every change to a disk, in one watched place; whole files and finished parts on top of it; faults on purpose."""
