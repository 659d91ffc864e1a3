// Arduino UNO R4 Minima and WiFi (Renesas RA4M1), 14 bits. Untested on hardware.
#if defined(ARDUINO_ARCH_RENESAS)

#include <EEPROM.h>
#include <FspTimer.h>

#include "board_tick.h"

namespace {

FspTimer timer;
int8_t channel = -1;
uint32_t boots;

void on_timer(timer_callback_args_t *) { tick::scan(); }

}  // namespace

const uint32_t tick::kTimerHz = 48000000 / 16;
const uint32_t tick::kMostCounts = 65535;

void tick::converter_begin() {
  analogReadResolution(14);
  EEPROM.get(0, boots);
  EEPROM.put(0, ++boots);
}

uint16_t tick::convert(uint8_t input) { return analogRead(A0 + input); }

void tick::timer_start(uint32_t counts) {
  uint8_t type = GPT_TIMER;
  if (channel < 0) channel = FspTimer::get_available_timer(type);
  timer.begin(TIMER_MODE_PERIODIC, GPT_TIMER, channel, counts, counts / 2, TIMER_SOURCE_DIV_16,
              on_timer);
  timer.setup_overflow_irq();
  timer.open();
  timer.start();
}

void tick::timer_stop() {
  timer.stop();
  timer.close();
}

namespace board {

const uint8_t kBits = 14;
const uint16_t kVrefMv = 5000;
const uint8_t kMostChannels = 6;
const uint16_t kSkewUs = 30;
const char kPinLetter = 'A';

uint8_t pin_number(uint8_t input) { return input; }

const __FlashStringHelper *name() { return F("uno-r4"); }

uint32_t boot_id() { return boots; }

void reset() { NVIC_SystemReset(); }

}  // namespace board

#endif
