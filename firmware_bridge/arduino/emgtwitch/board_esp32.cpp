// ESP32 (the first one, with inputs G32 to G39), 12 bits of which some 9 are good. Untested on
// hardware. Only inputs of ADC1: ADC2 does not work beside Wi-Fi.
#if defined(ARDUINO_ARCH_ESP32)

#include <esp_random.h>
#include <esp_timer.h>

#include "board_tick.h"

namespace {

constexpr uint8_t kPins[] = {36, 39, 34, 35, 32, 33};
esp_timer_handle_t timer = nullptr;
uint32_t boot = 0;

void on_timer(void *) { tick::scan(); }

}  // namespace

const uint32_t tick::kTimerHz = 1000000;
const uint32_t tick::kMostCounts = 1000000;

void tick::converter_begin() {
  boot = esp_random();
  analogReadResolution(12);
}

uint16_t tick::convert(uint8_t input) { return analogRead(kPins[input]); }

void tick::timer_start(uint32_t counts) {
  if (!timer) {
    esp_timer_create_args_t arguments = {};
    arguments.callback = on_timer;
    arguments.name = "scan";
    esp_timer_create(&arguments, &timer);
  }
  esp_timer_start_periodic(timer, counts);
}

void tick::timer_stop() { esp_timer_stop(timer); }

namespace board {

const uint8_t kBits = 12;
const uint16_t kVrefMv = 3300;
const uint8_t kMostChannels = 6;
const uint16_t kSkewUs = 100;
const char kPinLetter = 'G';

uint8_t pin_number(uint8_t input) { return kPins[input]; }

const __FlashStringHelper *name() { return F("esp32"); }

uint32_t boot_id() { return boot; }

void reset() { ESP.restart(); }

}  // namespace board

#endif
