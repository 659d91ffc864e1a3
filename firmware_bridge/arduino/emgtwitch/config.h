// What you may want to change. The computer can choose rate and channels anew for each recording.
#pragma once

#include <stdint.h>

// Sensors connected: the first to input A0, the second to A1, and so on.
constexpr uint8_t kChannels = 2;
constexpr uint16_t kRateHz = 2000;
constexpr uint32_t kBaud = 500000;

// Told to the computer. Names of at most 15 letters, in the order of the inputs:
#define CHANNEL_NAMES {"calf_L", "calf_R", "emg3", "emg4", "emg5", "emg6"}
#define SENSOR F("MyoWare 2.0")
#define SENSOR_OUTPUT F("RAW")
constexpr uint16_t kGain = 200;

// A push button from this pin to GND marks a moment. Without one, nothing happens.
constexpr uint8_t kButtonPin = 2;

// true: numbers as text from power-up on, for the Serial Plotter of the Arduino IDE (set it to
// 500000 baud) instead of packets. For looking only: lost lines do not show.
constexpr bool kPlotter = false;
constexpr uint16_t kPlotterRateHz = 500;
