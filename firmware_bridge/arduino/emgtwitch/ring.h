// Bytes from an interrupt to the main loop or back: one side puts, the other gets.
#pragma once

#include <stdint.h>

template <uint16_t kSize>
class ByteRing {
  static_assert(kSize <= 256 && (kSize & (kSize - 1)) == 0, "a power of 2, at most 256");

 public:
  uint8_t room() const { return (uint8_t)(tail_ - head_ - 1) & (kSize - 1); }
  bool empty() const { return head_ == tail_; }

  // The caller has looked for room.
  void put(uint8_t byte) {
    bytes_[head_] = byte;
    head_ = (head_ + 1) & (kSize - 1);
  }

  // The caller has looked that it is not empty.
  uint8_t get() {
    uint8_t byte = bytes_[tail_];
    tail_ = (tail_ + 1) & (kSize - 1);
    return byte;
  }

 private:
  volatile uint8_t bytes_[kSize];
  volatile uint8_t head_ = 0;
  volatile uint8_t tail_ = 0;
};
