"""The recorder's analogue filters and its converter."""

from dataclasses import dataclass

import numpy as np
from scipy import signal as sps


@dataclass(frozen=True)
class FrontEnd:
    """What stands between the electrodes and the file.

    Attributes
    ----------
    highpass_hz
        Corner of the first-order AC coupling; 0 for a DC-coupled input.
    lowpass_hz
        Corner of the first-order low-pass, or None.
    antialias
        True for a converter that filters sharply (without phase) at 0.45 of the sampling rate;
        False for a bare ``analogRead``, where what lies above half the rate folds back.
    bits
        Resolution of the converter, or None for one without steps and without limits.
    vref_v
        Full range of the converter, V.
    gain
        Amplification before the converter.
    baseline_codes
        Where the resting signal lies, in codes from the middle code of the converter: a whole
        number puts it exactly on one code, a half between two.
    """

    highpass_hz: float = 10.0
    lowpass_hz: float | None = None
    antialias: bool = True
    bits: int | None = None
    vref_v: float = 5.0
    gain: float = 200.0
    baseline_codes: float = 0.0

    @property
    def lsb_uv(self) -> float | None:
        """Height of one converter step at the skin, µV: Vref / (2^bits · gain)."""
        return None if self.bits is None else self.vref_v * 1e6 / (2**self.bits * self.gain)

    def response(self, frequency_hz: np.ndarray, sfreq: float) -> np.ndarray:
        """Return the complex transfer function at `frequency_hz`, same shape."""
        response = np.ones(frequency_hz.shape, dtype=complex)
        if self.highpass_hz:
            response *= 1j * frequency_hz / (self.highpass_hz + 1j * frequency_hz)
        if self.lowpass_hz is not None:
            response *= self.lowpass_hz / (self.lowpass_hz + 1j * frequency_hz)
        if self.antialias:
            response /= np.sqrt(1 + (frequency_hz / (0.45 * sfreq)) ** 24)
        return response

    def couple(self, skin_uv: np.ndarray, sfreq: float) -> np.ndarray:
        """Pass slow signals, (n_channels, n_samples) µV, through the AC coupling alone."""
        if not self.highpass_hz:
            return skin_uv
        sos = sps.butter(1, self.highpass_hz, "highpass", fs=sfreq, output="sos")
        return np.asarray(sps.sosfilt(sos, skin_uv, axis=-1))

    def convert(self, recorded_uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the signal in whole converter steps, and where the converter is at a limit.

        Parameters
        ----------
        recorded_uv
            (n_channels, n_samples) float64, µV, after the analogue part.

        Returns
        -------
        signal_uv, clipped
            float64 µV from the middle code, and bool, both of the shape of the input.
        """
        lsb_uv = self.lsb_uv
        if self.bits is None or lsb_uv is None:
            return recorded_uv, np.zeros(recorded_uv.shape, dtype=bool)
        half = 2 ** (self.bits - 1)
        codes = np.rint(recorded_uv / lsb_uv + self.baseline_codes)
        clipped = (codes <= -half) | (codes >= half - 1)
        return np.clip(codes, -half, half - 1) * lsb_uv, clipped


def myoware(bits: int, vref_v: float, baseline_codes: float = 0.3) -> FrontEnd:
    """Return the RAW output of a MyoWare 2.0 on the converter of a microcontroller board.

    Gain 200, first-order band 20.8 to 498.4 Hz (the vendor's figures), no anti-alias filter.
    """
    return FrontEnd(
        highpass_hz=20.8,
        lowpass_hz=498.4,
        antialias=False,
        bits=bits,
        vref_v=vref_v,
        gain=200.0,
        baseline_codes=baseline_codes,
    )


# SENIAM asks for a high-pass of 10-20 Hz.
IDEAL = FrontEnd()
