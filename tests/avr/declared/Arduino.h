// What the sketch uses of the Arduino library and of three boards, declared so that the files for
// boards without a compiler here can at least be checked for their syntax and types. Written by
// hand after the public headers of these libraries: it shows no more than that.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define F_CPU 48000000
#define HIGH 1
#define LOW 0
#define INPUT_PULLUP 2
#define OUTPUT 1
#define LED_BUILTIN 13
#define A0 14

class __FlashStringHelper;
#define F(text) (reinterpret_cast<const __FlashStringHelper *>(text))
#define PROGMEM
#define pgm_read_byte(place) (*(const char *)(place))
char *utoa(unsigned value, char *text, int base);

unsigned long millis();
unsigned long micros();
void delay(unsigned long ms);
void yield();
void noInterrupts();
void interrupts();
void pinMode(int pin, int mode);
void digitalWrite(int pin, int value);
int digitalRead(int pin);
int analogRead(int pin);
void analogReadResolution(int bits);

struct SerialPort {
  void begin(unsigned long baud);
  int read();
  size_t write(const uint8_t *bytes, size_t n);
  explicit operator bool();
};
extern SerialPort Serial;

#if defined(ARDUINO_ARCH_RENESAS)
void NVIC_SystemReset();
#endif
#if defined(ARDUINO_ARCH_ESP32)
struct Chip {
  void restart();
};
extern Chip ESP;
#endif
