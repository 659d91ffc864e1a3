"""The named benchmark scenarios: 5 minutes, 2 channels, 1 kHz unless the point is another."""

from dataclasses import replace

from emgtwitch.simulation.front_end import FrontEnd, myoware
from emgtwitch.simulation.scenario import Scenario

_ISOLATED = Scenario()
# OpenBCI Cyton: ADS1299, 24 bit, +-4.5 V, gain 24, coupled to DC, so the offset of the
# electrodes is in the signal.
OPENBCI = FrontEnd(highpass_hz=0, bits=24, vref_v=9.0, gain=24, baseline_codes=4e5)

SCENARIOS: dict[str, Scenario] = {
    "isolated": _ISOLATED,
    "sparse": Scenario(rate_per_min=1),
    "busy": Scenario(rate_per_min=60),
    "non_stop": Scenario(rate_per_min=300, units=10),
    "doublets": Scenario(doublet_share=0.2),
    "f_waves": Scenario(f_wave_share=0.2),
    "neuronal": Scenario(process="neuronal"),
    "drifting_rate": Scenario(drift_log_sd=0.8),
    "grouped": Scenario(process="grouped", rate_per_min=20),
    "small": Scenario(amplitude_uv=25),
    "voluntary_single_unit": Scenario(contractions_per_min=1.6, contraction="single_unit"),
    "voluntary_few_units": Scenario(contractions_per_min=1.6, contraction="few_units"),
    "voluntary_interference": Scenario(contractions_per_min=1.6),
    "starts_contracted": Scenario(contractions_per_min=0.8, starts_contracted=True),
    "cramp": Scenario(cramps=2),
    "motion": Scenario(motion_per_min=4),
    "pops": Scenario(pops_per_min=6),
    "glitches": Scenario(glitches_per_min=12),
    "mains_50": Scenario(mains_uv=20, mains_drift_hz=0.05),
    "mains_60_drifting": Scenario(mains_uv=60, mains_hz=60, mains_drift_hz=0.3),
    "ecg": Scenario(ecg_uv=100),
    "vibration": Scenario(vibration_uv=10),
    "crosstalk": Scenario(ch_names=("GM_L", "SOL_L"), crosstalk=(0.06, 0.17), rate_per_min=20),
    "noise_steps": Scenario(noise_steps_per_min=1),
    "lift_off": Scenario(lift_offs_per_min=0.6),
    "gaps": Scenario(gaps_per_min=1.2),
    "saturation": Scenario(overloads_per_min=2, front_end=myoware(12, 3.3)),
    "all_nuisances": Scenario(
        noise_steps_per_min=0.6,
        mains_uv=10,
        ecg_uv=30,
        contractions_per_min=1,
        cramps=1,
        motion_per_min=1,
        pops_per_min=1,
        glitches_per_min=4,
        lift_offs_per_min=0.2,
        gaps_per_min=0.4,
        overloads_per_min=0.4,
        front_end=myoware(14, 5.0),
    ),
    "myoware_12bit": Scenario(front_end=myoware(12, 3.3)),
    "myoware_14bit_2khz": Scenario(sfreq=2000, front_end=myoware(14, 5.0)),
    "uno_10bit": Scenario(amplitude_uv=150, front_end=myoware(10, 5.0), clock_error_ppm=2000),
    "openbci_200hz": Scenario(sfreq=200, front_end=OPENBCI),
    "fs_500": Scenario(sfreq=500),
    "fs_4000": Scenario(sfreq=4000),
    "eight_channels": Scenario(
        ch_names=("GM_L", "GL_L", "SOL_L", "TA_L", "GM_R", "GL_R", "SOL_R", "TA_R"),
        crosstalk=(0.06, 0.17),
    ),
}
# The same conditions without a twitch, to count false detections.
SCENARIOS |= {
    f"noise_{name}": replace(SCENARIOS[name], rate_per_min=0)
    for name in (
        "isolated", "mains_50", "noise_steps", "myoware_12bit", "uno_10bit", "all_nuisances",
    )
}  # fmt: skip
