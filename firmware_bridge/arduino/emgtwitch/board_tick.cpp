// What the boards share whose converter is read in the callback of a timer: all but AVR.
// Untested on hardware.
#if !defined(ARDUINO_ARCH_AVR)

#include "board_tick.h"

#include "config.h"

ScanQueue scans;

namespace {

uint8_t inputs[8];
uint8_t n_inputs;
volatile uint32_t due_us;  // when the last scan was due
Rate rate;

}  // namespace

void tick::scan() {
  scans.due = scans.due + 1;
  due_us = micros();
  uint16_t *samples = scans.open();
  for (uint8_t i = 0; i < n_inputs; i++) {
    uint16_t sample = convert(inputs[i]);
    if (samples) samples[i] = sample;
  }
  if (samples) scans.close();
}

namespace board {

void begin() {
  Serial.begin(kBaud);
  pinMode(kButtonPin, INPUT_PULLUP);
#if defined(LED_BUILTIN)
  pinMode(LED_BUILTIN, OUTPUT);
#endif
  tick::converter_begin();
}

uint8_t reset_cause() { return 0; }

uint16_t vcc_mv() { return 0; }

int16_t link_read() { return Serial.read(); }

// The library waits for room itself. What is written while nobody has opened the port is lost.
uint16_t link_room() { return 255; }

void link_write(const uint8_t *bytes, uint8_t n) {
  if (Serial) Serial.write(bytes, n);
}

uint16_t rx_overruns() { return 0; }

bool sampling_rate(uint16_t hz, uint8_t n_channels, Rate *exact) {
  const uint16_t reserve_us = 20;
  uint32_t scan_us = (n_channels + 1) * kSkewUs + reserve_us;
  if (hz == 0 || hz * scan_us > 1000000) return false;
  uint32_t counts = (tick::kTimerHz + hz / 2) / hz;
  if (counts > tick::kMostCounts) return false;
  rate = *exact = {tick::kTimerHz, counts};
  return true;
}

void sampling_start(uint8_t mask) {
  n_inputs = 0;
  for (uint8_t k = 0; k < kMostChannels; k++) {
    if (mask >> k & 1) inputs[n_inputs++] = k;
  }
  tick::timer_start(rate.den);
}

void sampling_stop() { tick::timer_stop(); }

Moment now() {
  noInterrupts();
  uint32_t due = scans.due;
  uint32_t since_us = micros() - due_us;
  interrupts();
  if (due == 0) return {0, 0};
  uint64_t sub = ((uint64_t)since_us << 16) * rate.num / rate.den / 1000000;
  return {due - 1, (uint16_t)(sub < 65535 ? sub : 65535)};
}

Counters counters() {
  noInterrupts();
  Counters result = {scans.due, scans.full, scans.late};
  interrupts();
  return result;
}

bool button_down() { return digitalRead(kButtonPin) == LOW; }

void led(bool on) {
#if defined(LED_BUILTIN)
  digitalWrite(LED_BUILTIN, on ? HIGH : LOW);
#else
  (void)on;
#endif
}

void idle() { yield(); }

}  // namespace board

#endif
