"""What the user may choose about the detector: three presets, mains, and the false-alarm rate."""

from dataclasses import dataclass

from emgtwitch.errors import InputError

MAINS = ("auto", "50", "60", "off")


@dataclass(frozen=True)
class Preset:
    """Limits of the gates.

    Attributes
    ----------
    false_alarms_per_hour
        Wanted rate of detections in stationary noise, per channel and valid hour.
    active_share
        A stretch is a contraction where at least this share of one second is active.
    regularity
        Factor on how much the intervals of alike potentials may vary for them to be the train of
        a voluntary motor unit, see `emgtwitch.detection.gates.RHYTHMS`.
    """

    false_alarms_per_hour: float
    active_share: float
    regularity: float


PRESETS = {
    "default": Preset(6.0, active_share=0.5, regularity=1.0),
    "sensitive": Preset(30.0, active_share=0.65, regularity=0.8),
    "specific": Preset(1.0, active_share=0.35, regularity=1.3),
}


@dataclass(frozen=True)
class Settings:
    """The choices for one run; written beside every event table.

    Raises
    ------
    InputError
        An unknown preset or mains choice, or a rate that is not positive.
    """

    preset: str = "default"
    mains: str = "auto"
    false_alarms_per_hour: float | None = None

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise InputError(f"unknown preset {self.preset!r}: use one of {', '.join(PRESETS)}")
        if self.mains not in MAINS:
            raise InputError(f"unknown mains {self.mains!r}: use one of {', '.join(MAINS)}")
        if not self.wanted_false_alarms > 0:
            raise InputError(
                f"false alarms per hour must be above 0, not {self.false_alarms_per_hour}"
            )

    @property
    def gates(self) -> Preset:
        """The limits of the chosen preset."""
        return PRESETS[self.preset]

    @property
    def wanted_false_alarms(self) -> float:
        """False alarms per channel and valid hour, as given or as the preset has them."""
        if self.false_alarms_per_hour is None:
            return self.gates.false_alarms_per_hour
        return self.false_alarms_per_hour
