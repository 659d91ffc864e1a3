#include "signals.h"

namespace {

// A quarter of a sine in 8 steps, full scale 2^24.
const uint32_t kQuarterSine[] = {0,        3273072,  6420363,  9320922, 11863283,
                                 13949745, 15500126, 16454846, 16777216};

uint16_t sine(uint8_t step, uint8_t bits) {
  uint8_t in_half = step % 16;
  uint32_t size = kQuarterSine[in_half <= 8 ? in_half : 16 - in_half];
  // A quarter of the range of the converter, 2^(bits - 2), is the amplitude.
  uint8_t shift = 24 - (bits - 2);
  uint16_t rounded = (size + ((uint32_t)1 << (shift - 1))) >> shift;
  uint16_t middle = (uint16_t)1 << (bits - 1);
  return step < 16 ? middle + rounded : middle - rounded;
}

}  // namespace

uint16_t test_signal(uint8_t mode, uint32_t scan, uint8_t channel, uint8_t bits) {
  if (mode == kRamp) return (scan + 64 * channel) & (((uint32_t)1 << bits) - 1);
  if (mode == kSine) return sine((scan + 8 * channel) % 32, bits);
  uint32_t mixed = scan * 0x9E3779B1 + channel * 0x85EBCA6B;
  return (mixed ^ (mixed >> 15)) >> (32 - bits);
}
