// What a board must offer. Each board_*.cpp does it for one family of boards.
#pragma once

#include <Arduino.h>

#include "messages.h"
#include "scans.h"

// Filled by the sampling interrupt of the board.
extern ScanQueue scans;

namespace board {

extern const uint8_t kBits;         // of the converter
extern const uint16_t kVrefMv;      // its full scale, nominal
extern const uint8_t kMostChannels;
extern const uint16_t kSkewUs;      // from one channel of a scan to the next
extern const char kPinLetter;       // of the inputs, as they are printed on the board
uint8_t pin_number(uint8_t input);

void begin();
const __FlashStringHelper *name();
uint32_t boot_id();     // another one after each start
uint8_t reset_cause();  // as MCUSR of an AVR has it; 0 unknown
void reset();
uint16_t vcc_mv();  // supply, measured; not while sampling; 0 unknown

// The link to the computer.
int16_t link_read();    // the next byte, -1 if there is none
uint16_t link_room();   // bytes that can be written without waiting
void link_write(const uint8_t *bytes, uint8_t n);
uint16_t rx_overruns();  // bytes that came too fast

// Sampling: bit k of `mask` is input k. The rate is that of the last sampling_rate() that could.
bool sampling_rate(uint16_t hz, uint8_t n_channels, Rate *exact);  // false: cannot
void sampling_start(uint8_t mask);
void sampling_stop();  // returns when the last scan that was due is stored
Moment now();

// The counters of `scans` at one moment.
struct Counters {
  uint32_t due;
  uint16_t full;
  uint16_t late;
};
Counters counters();

bool button_down();
void led(bool on);
void idle();  // rest until an interrupt, 1 ms at most

}  // namespace board
