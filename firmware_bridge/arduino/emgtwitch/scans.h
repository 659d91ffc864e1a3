// The scans between the interrupt that samples them and the main loop that sends them.
//
// The interrupt counts every scan that is due. One that finds no room, or whose conversion came too
// late, is not stored, and the numbers of the stored ones show that.
#pragma once

#include <stdint.h>

class ScanQueue {
 public:
  void begin(uint8_t n_channels) {
    width_ = n_channels + 1;
    capacity_ = kWords / width_ < 255 ? kWords / width_ : 255;
    head_ = tail_ = 0;
    due = 0;
    full = late = 0;
  }

  // For the interrupt: a place for the samples of the scan due now, or nullptr without room.
  uint16_t *open() {
    if (after(head_) == tail_) {
      full = full + 1;
      return nullptr;
    }
    uint16_t *scan = words_ + head_ * width_;
    *scan = due - 1;
    return scan + 1;
  }
  void close() { head_ = after(head_); }

  // For the main loop.
  uint8_t waiting() const {
    uint8_t head = head_;
    return head >= tail_ ? head - tail_ : head + capacity_ - tail_;
  }
  // How many of the oldest have numbers without a gap, at most `most`.
  uint8_t run(uint8_t most) const {
    uint8_t n = 0;
    uint8_t n_waiting = waiting();
    uint8_t place = tail_;
    while (n < most && n < n_waiting && words_[place * width_] == (uint16_t)(number() + n)) {
      place = after(place);
      n++;
    }
    return n;
  }
  uint16_t number() const { return words_[tail_ * width_]; }  // of the oldest, its low 16 bits
  const uint16_t *samples() const { return words_ + tail_ * width_ + 1; }  // of the oldest
  void drop() { tail_ = after(tail_); }

  // Since begin(). Counted by the interrupt: read them with interrupts off.
  volatile uint32_t due;   // scans due
  volatile uint16_t full;  // of these, not stored because nothing was sent in time
  volatile uint16_t late;  // times that a scan was due before the one before was converted

 private:
  uint8_t after(uint8_t place) const { return place + 1 == capacity_ ? 0 : place + 1; }

#if defined(__AVR__)
  static constexpr uint16_t kWords = 256;  // 512 of the 2048 bytes that there are
#else
  static constexpr uint16_t kWords = 2048;
#endif
  uint16_t words_[kWords];  // each scan: its number, then its samples
  uint8_t width_ = 2;
  uint8_t capacity_ = 2;
  volatile uint8_t head_ = 0;
  volatile uint8_t tail_ = 0;
};
