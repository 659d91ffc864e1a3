// Boards with an ATmega328P (Uno R3, Nano, Pro Mini) or ATmega2560 (Mega): own drivers for timer,
// converter and serial port, because those of the Arduino library wait and leave jitter.
//
// Timer 1 starts the conversion of the first channel by hardware; the interrupt at the end of each
// conversion starts the next channel's.
#if defined(ARDUINO_ARCH_AVR)

#include "board.h"

#include <avr/eeprom.h>
#include <avr/interrupt.h>
#include <avr/sleep.h>
#include <avr/wdt.h>
#include <util/atomic.h>

#include "config.h"
#include "ring.h"

#if !defined(USART_RX_vect)
#define USART_RX_vect USART0_RX_vect
#define USART_UDRE_vect USART0_UDRE_vect
#endif

ScanQueue scans;

namespace {

ByteRing<256> outgoing;
ByteRing<128> incoming;
volatile uint16_t lost_bytes = 0;

constexpr uint8_t kReference = _BV(REFS0);  // the supply
// Converter on, its clock F_CPU / 128: 125 kHz, 10 bits need 50 to 200 kHz.
constexpr uint8_t kConverterOn = _BV(ADEN) | _BV(ADPS2) | _BV(ADPS1) | _BV(ADPS0);
// A conversion takes 13 clocks, and the next begins with the next clock.
constexpr uint16_t kConversionUs = 14 * 128 / (F_CPU / 1000000);
constexpr uint16_t kReserveUs = 20;  // the first one takes longer, interrupts come late

// Inputs of the stream, and the place in the scan that is being converted (or waited for).
uint8_t inputs[6];
uint8_t n_inputs;
volatile uint8_t place;
uint16_t *samples;

uint8_t clock_select;
uint32_t period;  // of a scan, in clocks of timer 1

// MCUSR tells why the board started (0 where a bootloader has emptied it), and the watchdog stays
// on after it has reset the board: both must be seen to before anything else.
uint8_t cause __attribute__((section(".noinit")));
void early() __attribute__((naked, used, section(".init3")));
void early() {
  cause = MCUSR;
  MCUSR = 0;
  wdt_disable();
}

uint16_t convert() {
  ADCSRA = kConverterOn | _BV(ADSC);
  loop_until_bit_is_clear(ADCSRA, ADSC);
  return ADC;
}

}  // namespace

ISR(TIMER1_COMPB_vect) {
  scans.due = scans.due + 1;
  if (place > 0) {  // the scan before is still being converted: neither is good
    scans.late = scans.late + 1;
    samples = nullptr;
  }
}

ISR(ADC_vect) {
  uint16_t sample = ADC;
  if (place == 0) samples = scans.open();
  if (samples) samples[place] = sample;
  if (place + 1 < n_inputs) {
    place = place + 1;
    ADMUX = kReference | inputs[place];
    ADCSRA |= _BV(ADSC);
  } else {
    place = 0;
    ADMUX = kReference | inputs[0];
    if (samples) scans.close();
  }
}

ISR(USART_RX_vect) {
  bool overrun = UCSR0A & _BV(DOR0);
  uint8_t byte = UDR0;
  if (incoming.room() > 0) {
    incoming.put(byte);
  } else {
    overrun = true;
  }
  if (overrun) lost_bytes = lost_bytes + 1;
}

ISR(USART_UDRE_vect) {
  if (outgoing.empty()) {
    UCSR0B &= ~_BV(UDRIE0);
  } else {
    UDR0 = outgoing.get();
  }
}

namespace board {

const uint8_t kBits = 10;
const uint16_t kVrefMv = 5000;
const uint8_t kMostChannels = 6;
const uint16_t kSkewUs = kConversionUs;
const char kPinLetter = 'A';

static uint32_t boots;

uint8_t pin_number(uint8_t input) { return input; }

void begin() {
  boots = eeprom_read_dword(nullptr) + 1;
  eeprom_update_dword(nullptr, boots);
  pinMode(kButtonPin, INPUT_PULLUP);
  pinMode(LED_BUILTIN, OUTPUT);
  UBRR0 = (F_CPU / 4 / kBaud - 1) / 2;
  UCSR0A = _BV(U2X0);
  UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
  UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0);
}

const __FlashStringHelper *name() {
#if defined(ARDUINO_AVR_UNO)
  return F("uno");
#elif defined(ARDUINO_AVR_NANO)
  return F("nano");
#elif defined(ARDUINO_AVR_MEGA2560)
  return F("mega");
#else
  return F("avr");
#endif
}

uint32_t boot_id() { return boots; }

uint8_t reset_cause() { return cause; }

void reset() {
  wdt_enable(WDTO_15MS);
  for (;;) {
  }
}

uint16_t vcc_mv() {
  // The converter's own source of 1.1 V (1.0 to 1.2 V, as the data sheet has it), measured by the
  // supply.
  ADCSRB = 0;
#if defined(__AVR_ATmega2560__)
  ADMUX = kReference | 0x1E;
#else
  ADMUX = kReference | 0x0E;
#endif
  ADCSRA = kConverterOn;
  delay(2);  // until the source has settled
  convert();
  uint16_t sum = 0;
  for (uint8_t i = 0; i < 8; i++) sum += convert();
  return sum > 0 ? 1100UL * 1024 * 8 / sum : 0;
}

int16_t link_read() { return incoming.empty() ? -1 : incoming.get(); }

uint16_t link_room() { return outgoing.room(); }

void link_write(const uint8_t *bytes, uint8_t n) {
  while (n--) outgoing.put(*bytes++);
  ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { UCSR0B |= _BV(UDRIE0); }
}

uint16_t rx_overruns() {
  ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { return lost_bytes; }
  return 0;
}

bool sampling_rate(uint16_t hz, uint8_t n_channels, Rate *exact) {
  if (hz == 0 || (uint32_t)hz * (n_channels * kConversionUs + kReserveUs) > 1000000) return false;
  // Prescalers of timer 1, the smallest with which a period fits into its 16 bits.
  const uint16_t prescalers[] = {1, 8, 64, 256};
  for (uint8_t i = 0; i < 4; i++) {
    uint32_t clocks = (F_CPU / prescalers[i] + hz / 2) / hz;
    if (clocks > 65536) continue;
    clock_select = i + 1;
    period = clocks;
    *exact = {F_CPU, prescalers[i] * clocks};
    return true;
  }
  return false;
}

void sampling_start(uint8_t mask) {
  n_inputs = 0;
  for (uint8_t k = 0; k < kMostChannels; k++) {
    if (mask >> k & 1) inputs[n_inputs++] = k;
  }
  place = 0;
  ADMUX = kReference | inputs[0];
  ADCSRB = _BV(ADTS2) | _BV(ADTS0);  // start when timer 1 reaches B
  ADCSRA = kConverterOn | _BV(ADATE) | _BV(ADIE) | _BV(ADIF);
  TCCR1A = 0;
  TCCR1B = _BV(WGM12);  // from 0 to A, stopped
  OCR1A = OCR1B = period - 1;
  TCNT1 = 0;
  TIFR1 = _BV(OCF1B);
  TIMSK1 = _BV(OCIE1B);
  TCCR1B = _BV(WGM12) | clock_select;
}

void sampling_stop() {
  TCCR1B = 0;
  TIMSK1 = 0;
  while ((ADCSRA & _BV(ADSC)) || place > 0) {
  }
  ADCSRA = kConverterOn;
}

Moment now() {
  uint32_t due;
  uint16_t clocks;
  ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
    due = scans.due;
    clocks = TCNT1;
    if (TIFR1 & _BV(OCF1B)) {  // a scan became due meanwhile
      due++;
      clocks = TCNT1;
    }
  }
  if (due == 0) return {0, 0};
  return {due - 1, (uint16_t)(((uint32_t)clocks << 16) / period)};
}

Counters counters() {
  Counters result;
  ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { result = {scans.due, scans.full, scans.late}; }
  return result;
}

bool button_down() { return digitalRead(kButtonPin) == LOW; }

void led(bool on) { digitalWrite(LED_BUILTIN, on); }

void idle() {
  set_sleep_mode(SLEEP_MODE_IDLE);
  sleep_mode();
}

}  // namespace board

#endif
