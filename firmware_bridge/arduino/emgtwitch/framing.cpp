#include "framing.h"

uint16_t crc16(const uint8_t *data, uint8_t n) {
  uint16_t crc = 0xFFFF;
  while (n--) {
    // Eight steps of the polynomial at once.
    uint8_t x = (crc >> 8) ^ *data++;
    x ^= x >> 4;
    crc = (crc << 8) ^ ((uint16_t)x << 12) ^ ((uint16_t)x << 5) ^ x;
  }
  return crc;
}

void Packet::begin(uint8_t type) {
  size_ = 1;
  u8(type);
}

uint8_t *Packet::u8(uint8_t value) {
  uint8_t *place = bytes_ + size_;
  if (size_ <= kLongestBody) {
    *place = value;
    size_++;
  }
  return place;
}

void Packet::u16(uint16_t value) {
  u8(value);
  u8(value >> 8);
}

void Packet::u32(uint32_t value) {
  u16(value);
  u16(value >> 16);
}

void Packet::finish() {
  uint16_t crc = crc16(bytes_ + 1, size_ - 1);
  bytes_[size_++] = crc;
  bytes_[size_++] = crc >> 8;
  // COBS: the byte in front and every zero become the distance to the next zero (or the end).
  uint8_t last = 0;
  for (uint8_t i = 1; i < size_; i++) {
    if (bytes_[i] == 0) {
      bytes_[last] = i - last;
      last = i;
    }
  }
  bytes_[last] = size_ - last;
  bytes_[size_++] = 0;
}

bool PacketReader::take_apart() {
  if (too_long_) return false;
  uint8_t place = 0;
  while (place < size_) {
    uint8_t distance = bytes_[place];
    if (distance > size_ - place) return false;
    bytes_[place] = 0;
    place += distance;
  }
  if (size_ < 4) return false;
  uint16_t crc = bytes_[size_ - 2] | (uint16_t)bytes_[size_ - 1] << 8;
  return crc == crc16(body(), size_ - 3);
}

uint8_t PacketReader::feed(uint8_t byte) {
  if (byte != 0) {
    if (size_ < sizeof bytes_) {
      bytes_[size_++] = byte;
    } else {
      too_long_ = true;
    }
    return 0;
  }
  uint8_t length = 0;
  if (size_ > 0) {
    if (take_apart()) {
      length = size_ - 3;
    } else {
      errors++;
    }
  }
  size_ = 0;
  too_long_ = false;
  return length;
}
