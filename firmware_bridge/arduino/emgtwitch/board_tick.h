// For boards whose converter is read in the callback of a timer: board_tick.cpp has what they
// share, and each of them offers this.
#pragma once

#include "board.h"

namespace tick {

extern const uint32_t kTimerHz;
extern const uint32_t kMostCounts;

void converter_begin();
uint16_t convert(uint8_t input);
void timer_start(uint32_t counts);  // of kTimerHz, after which scan() is called each time
void timer_stop();

void scan();

}  // namespace tick
