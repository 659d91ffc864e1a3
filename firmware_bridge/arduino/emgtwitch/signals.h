// Test signals of EMGT/1, known to the computer too. No Arduino in here.
#pragma once

#include <stdint.h>

enum TestMode : uint8_t { kNoTest, kRamp, kSine, kNoise, kTestModes };

// The code of a converter of `bits` (8 to 16) for a scan and a channel of the stream.
uint16_t test_signal(uint8_t mode, uint32_t scan, uint8_t channel, uint8_t bits);
