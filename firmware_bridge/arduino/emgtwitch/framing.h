// Packets of EMGT/1: COBS(body, CRC-16) 00. No Arduino in here: this also compiles on a computer.
#pragma once

#include <stdint.h>

constexpr uint8_t kLongestBody = 250;

// CRC-16/CCITT-FALSE: polynomial 1021 hex, start FFFF hex, not reflected.
uint16_t crc16(const uint8_t *data, uint8_t n);

// A packet being written: begin, numbers in the order of the protocol, finish. What would make the
// body longer than 250 bytes is left out.
class Packet {
 public:
  void begin(uint8_t type);
  uint8_t *u8(uint8_t value);  // where it was put, to change it before finish()
  void u16(uint16_t value);
  void u32(uint32_t value);
  void finish();

  const uint8_t *bytes() const { return bytes_; }
  uint8_t size() const { return size_; }

 private:
  // One byte of COBS, the body, two of CRC, the 00 that ends it.
  uint8_t bytes_[1 + kLongestBody + 2 + 1];
  uint8_t size_ = 0;
};

// Finds packets in the bytes from the computer.
class PacketReader {
 public:
  // Length of the body that this byte completes, else 0.
  uint8_t feed(uint8_t byte);

  const uint8_t *body() const { return bytes_ + 1; }
  uint16_t errors = 0;  // packets that were damaged or longer than any command

 private:
  bool take_apart();

  uint8_t bytes_[32];  // the longest command takes 10
  uint8_t size_ = 0;
  bool too_long_ = false;
};
