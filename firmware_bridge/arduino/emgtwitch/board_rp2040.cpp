// Raspberry Pi Pico (RP2040) with the core of Earle Philhower, 12 bits of which some 9 are good.
// Untested on hardware.
#if defined(ARDUINO_ARCH_RP2040)

#include <hardware/adc.h>
#include <hardware/watchdog.h>
#include <pico/rand.h>
#include <pico/time.h>

#include "board_tick.h"

namespace {

constexpr uint8_t kFirstPin = 26;
repeating_timer_t timer;
uint32_t boot = 0;

bool on_timer(repeating_timer_t *) {
  tick::scan();
  return true;
}

}  // namespace

const uint32_t tick::kTimerHz = 1000000;
const uint32_t tick::kMostCounts = 1000000;

void tick::converter_begin() {
  boot = get_rand_32();
  adc_init();
  for (uint8_t input = 0; input < board::kMostChannels; input++) adc_gpio_init(kFirstPin + input);
}

uint16_t tick::convert(uint8_t input) {
  adc_select_input(input);
  return adc_read();
}

// Negative: from the start of one callback to the start of the next.
void tick::timer_start(uint32_t counts) {
  add_repeating_timer_us(-(int64_t)counts, on_timer, nullptr, &timer);
}

void tick::timer_stop() { cancel_repeating_timer(&timer); }

namespace board {

const uint8_t kBits = 12;
const uint16_t kVrefMv = 3300;
const uint8_t kMostChannels = 3;
const uint16_t kSkewUs = 3;
const char kPinLetter = 'G';

uint8_t pin_number(uint8_t input) { return kFirstPin + input; }

const __FlashStringHelper *name() { return F("pico"); }

uint32_t boot_id() { return boot; }

void reset() { watchdog_reboot(0, 0, 10); }

}  // namespace board

#endif
