#include "info.h"

#include "board.h"
#include "config.h"

namespace {

const char kNames[][16] PROGMEM = CHANNEL_NAMES;

// Writes only what falls into a window of the whole text, so that no memory for all is needed.
class Text {
 public:
  Text(Packet *packet, uint16_t from) : packet_(packet), from_(from) {}

  uint16_t size() const { return size_; }

  void put(char letter) {
    if (packet_ && size_ >= from_ && size_ - from_ < kInfoPart) packet_->u8(letter);
    size_++;
  }
  void put(const __FlashStringHelper *text) {
    const char *place = reinterpret_cast<const char *>(text);
    while (char letter = pgm_read_byte(place++)) put(letter);
  }
  void put(uint32_t number) {
    if (number >= 10) put(number / 10);
    put((char)('0' + number % 10));
  }

  template <class Value>
  void line(const __FlashStringHelper *key, Value value) {
    put(key);
    put('=');
    put(value);
    put('\n');
  }
  template <class Value>
  void line(uint8_t channel, const __FlashStringHelper *key, Value value) {
    put(F("ch"));
    put((uint32_t)channel);
    put('.');
    line(key, value);
  }

 private:
  Packet *packet_;
  uint16_t from_;
  uint16_t size_ = 0;
};

void write(Text &text, const Info &info) {
  text.line(F("fw"), F("emgtwitch 1.0"));
  text.line(F("board"), board::name());
  text.line(F("serial"), F(""));
  text.line(F("nch"), (uint32_t)kChannels);
  text.line(F("max_nch"), (uint32_t)board::kMostChannels);
  text.line(F("fs_num"), info.rate.num);
  text.line(F("fs_den"), info.rate.den);
  text.line(F("bits"), (uint32_t)board::kBits);
  text.line(F("vref_mv"), (uint32_t)board::kVrefMv);
  text.line(F("vcc_mv"), (uint32_t)info.vcc_mv);
  text.line(F("scans_per_frame"), (uint32_t)info.scans_per_frame);
  text.line(F("sources"), F("host,button"));
  for (uint8_t k = 0; k < board::kMostChannels; k++) {
    text.line(k, F("name"), reinterpret_cast<const __FlashStringHelper *>(kNames[k]));
    text.put(F("ch"));
    text.put((uint32_t)k);
    text.put(F(".pin="));
    text.put(board::kPinLetter);
    text.put((uint32_t)board::pin_number(k));
    text.put('\n');
    text.line(k, F("sensor"), SENSOR);
    text.line(k, F("output"), SENSOR_OUTPUT);
    text.line(k, F("gain"), (uint32_t)kGain);
    text.line(k, F("skew_us"), (uint32_t)k * board::kSkewUs);
  }
}

}  // namespace

uint8_t info_parts(const Info &info) {
  Text text(nullptr, 0);
  write(text, info);
  return (text.size() + kInfoPart - 1) / kInfoPart;
}

void info_text(Packet &packet, uint8_t part, const Info &info) {
  Text text(&packet, part * kInfoPart);
  write(text, info);
}
