"""What every result must be read with."""

LIMITS = (
    "emgtwitch measures, it does not diagnose. Not a medical device. It counts electrical events\n"
    "that look like fasciculation potentials and cannot tell what causes them. With weakness,\n"
    "wasting or spreading twitching: see a doctor."
)
