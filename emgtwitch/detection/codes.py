"""The code of a block: valid, or why not, and what each means in tables and accounts."""

VALID, GAP, SATURATION, FLAT, WARM_UP, CONTRACTION = range(6)
# What a code means: the type of its row in the event table, and the reason for which its time is
# not valid.
EXCLUSIONS = {
    GAP: ("gap", "gap"),
    SATURATION: ("saturation", "saturation"),
    FLAT: ("artifact", "flat line"),
    WARM_UP: ("artifact", "warm-up"),
    CONTRACTION: ("contraction", "contraction"),
}
